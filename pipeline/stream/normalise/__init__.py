"""From frames to record batches: what a payload becomes. Pure: no I/O, no clock, no environment.

normaliser   frames in, batches and dead letters out: decode, find the source, sort by table and shape
├── source       MQTT topic of an account → table and series     (templates, zones, routes)
└── table_work   one table's messages → pieces of a batch        (rows, measuring)
    ├── plan, columns   many messages of one shape at once, where they can be proven good
    └── reading         one message by itself: what a payload becomes  (body, lenient, fields, event_time, values, bent)

Why a message could not become a record is `pipeline.log.dead_letter.Reason`. Nothing is imported here: a gateway needs
the templates and zones alone.
"""
