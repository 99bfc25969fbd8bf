"""From frames to record batches: decodes payloads into records. Pure: no I/O, no clock, no environment.

normaliser   frames in, batches and dead letters out: decode, find the source, sort by table and shape
├── source       MQTT topic of an account → table and series     (templates, zones, routes)
└── table_work   the messages of one table → pieces of a batch   (rows, measuring)
    ├── plan, columns   many messages of one shape at once, if they are proven to be good
    └── reading         a single message: the definition of how a payload is read  (body, lenient, fields, event_time,
                        values, alterations)

`pipeline.log.dead_letter.Reason` lists why a message could not become a record. Nothing is imported here, because a
gateway needs only the templates and zones.
"""
