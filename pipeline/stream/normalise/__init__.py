"""From frames to record batches: what a payload becomes. Pure: no I/O, no clock, no environment.

normaliser   frames in, batches and dead letters out: decode, find the source, sort by table and shape
├── source       MQTT topic of an account → table and series     (templates, zones, routes)
├── table_work   one table's messages → pieces of a batch        (rows)
│   ├── plan, columns   many messages of one shape at once, where they can be proven good
│   └── reading         one message by itself: the definition of what a payload becomes  (body, event_time, values)
└── reasons      why a message could not become a record

The package imports nothing of itself: a gateway has use for its units alone.
"""
