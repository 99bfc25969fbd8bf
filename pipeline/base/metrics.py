"""Every metric of the product. Names: streamgauge_<package>_<thing>_<unit>[_total].

Several processes on one machine share the metrics through `PROMETHEUS_MULTIPROC_DIR` (see `pipeline.operations.cli`),
so each worker answers /metrics for all. Count once per batch, never once per message.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

# The gateway: messages of devices.
messages_received = Counter("streamgauge_gateway_messages_total", "PUBLISH packets received", ["qos"])
messages_acknowledged = Counter(
    "streamgauge_gateway_acknowledged_total", "PUBACKs and PUBRECs sent, each after the log's fsync"
)
bytes_received = Counter("streamgauge_gateway_received_bytes_total", "Bytes of the PUBLISH packets received")
append_seconds = Histogram(
    "streamgauge_gateway_append_seconds",
    "Time to append a frame to the log, until it is durable",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 1, 3),
)
batch_messages = Histogram(
    "streamgauge_gateway_batch_messages",
    "Messages of an ack batch: one frame, one append",
    buckets=(1, 3, 10, 30, 100, 300, 1_000),
)
connections = Gauge("streamgauge_gateway_connections", "Devices connected now", multiprocess_mode="livesum")
connections_refused = Counter("streamgauge_gateway_refused_total", "CONNECTs and packets refused", ["reason"])
connections_ended = Counter(
    "streamgauge_gateway_ended_total", "Connections that did not end with a DISCONNECT", ["reason"]
)
packets_malformed = Counter("streamgauge_gateway_malformed_total", "Malformed packets", ["reason"])
messages_cleared = Counter(
    "streamgauge_gateway_cleared_total", "Empty messages that clear a retained one: nothing to store"
)
messages_repeated = Counter(
    "streamgauge_gateway_repeated_total", "QoS 2 messages that were sent again on their connection, and stored once"
)
bridge_states = Counter("streamgauge_gateway_bridge_states_total", "State messages of broker bridges", ["state"])
paused_seconds = Counter(
    "streamgauge_gateway_paused_seconds_total", "Time without reading, because the log was slow or full"
)

# TLS, of the gateway and of HTTP.
certificate_expiry = Gauge(
    "streamgauge_tls_certificate_expiry_timestamp_seconds",
    "When the certificate in use expires",
    ["server"],
    multiprocess_mode="livemin",
)
tls_reloads = Counter("streamgauge_tls_reloads_total", "Changed certificate files", ["server", "outcome"])
handshakes_failed = Counter(
    "streamgauge_tls_handshakes_failed_total",
    "Failed TLS handshakes",
    ["server", "reason"],
)

# Brokers that the gateway subscribes to, by host:port.
broker_connected = Gauge(
    "streamgauge_brokers_connected",
    "Connections to the broker that are up and subscribed",
    ["broker"],
    multiprocess_mode="livesum",
)
broker_reconnects = Counter("streamgauge_brokers_reconnects_total", "Reconnections to the broker", ["broker"])
broker_messages = Counter("streamgauge_brokers_messages_total", "Messages received from the broker", ["broker"])
broker_acknowledged = Counter(
    "streamgauge_brokers_acknowledged_total", "PUBACKs sent to the broker, each after the log's fsync", ["broker"]
)
broker_stale_acks = Counter(
    "streamgauge_brokers_stale_acks_total",
    "Messages that were durable only after their connection had ended; the broker sends them again",
    ["broker"],
)
broker_unacknowledged = Gauge(
    "streamgauge_brokers_unacknowledged",
    "Messages received whose PUBACK waits for the log",
    ["broker"],
    multiprocess_mode="livesum",
)
broker_cut_messages = Counter(
    "streamgauge_brokers_truncated_messages_total",
    "Messages that are too large and become truncated dead letters",
    ["broker"],
)
broker_left_messages = Counter(
    "streamgauge_brokers_skipped_messages_total",
    "Messages that are acknowledged and not stored: further copies, those that clear a retained one, retained ones "
    "that are not new",
    ["broker", "kind"],
)
broker_errors = Counter("streamgauge_brokers_errors_total", "Failed connections and subscriptions", ["broker", "kind"])

# The stream: from messages to records and alerts.
frames_skipped = Counter(
    "streamgauge_stream_frames_skipped_total", "Frames without messages that a newer version wrote, and this one skips"
)
messages_normalised = Counter("streamgauge_stream_messages_total", "Messages read from the log and normalised")
work_batch_messages = Histogram(
    "streamgauge_stream_batch_messages",
    "Messages of a work batch",
    buckets=(1, 10, 100, 300, 1_000, 3_000, 10_000, 30_000),
)
stage_seconds = Histogram(
    "streamgauge_stream_stage_seconds",
    "Time of a stage for a work batch",
    ["stage"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3),
)
dead_letters = Counter("streamgauge_stream_dead_letters_total", "Messages that could not become records", ["reason"])
altered_fields = Counter(
    "streamgauge_stream_altered_fields_total",
    "Fields that were altered to store them, or left out; beyond 500, (others) is the sum of the rest of a table",
    ["table", "field", "what"],
)
records_applied = Counter("streamgauge_store_records_total", "Records applied to the store", ["outcome"])
alerts = Counter("streamgauge_rules_alerts_total", "Alert transitions", ["status"])
alerts_firing = Gauge("streamgauge_rules_firing_alerts", "Alerts firing now", multiprocess_mode="livemax")
config_reloads = Counter(
    "streamgauge_config_reloads_total", "Readings of the configuration by a running worker", ["outcome"]
)
rule_reloads = Counter("streamgauge_rules_reloads_total", "Readings of changed rule files", ["outcome"])
rules_with_warnings = Gauge(
    "streamgauge_rules_with_warnings",
    "Rules with warnings: they may never fire; the log and /v1/rules say why",
    multiprocess_mode="livemax",
)
rules_unjudged_samples = Counter(
    "streamgauge_rules_unjudged_samples_total",
    "Samples that a rule could not judge: not_a_number, undefined, too_wide a gap before them, late",
    ["reason"],
)
rules_suppressed_alerts = Counter(
    "streamgauge_rules_suppressed_alerts_total",
    "Alerts that were not told, because their rule has fired its max_alerts",
)
rules_flapping_alerts = Gauge(
    "streamgauge_rules_flapping_alerts",
    "Firing alerts that have fired so often that they resolve later (`flapping`)",
    multiprocess_mode="livemax",
)
rules_save_seconds = Histogram(
    "streamgauge_rules_save_seconds",
    "Time of one pass that saves the state of all rules",
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)
lag_s = Gauge(
    "streamgauge_stream_lag_seconds",
    "Age of the oldest message that is not queryable yet",
    multiprocess_mode="livemax",
)
log_bytes = Gauge("streamgauge_log_bytes", "Bytes of values in the log", ["topic"], multiprocess_mode="livemax")
log_max_bytes = Gauge(
    "streamgauge_log_max_bytes", "log.max_bytes: the limit of all topics", multiprocess_mode="livemax"
)
log_disk_free_bytes = Gauge(
    "streamgauge_log_disk_free_bytes", "Free space on the disk of the log", multiprocess_mode="livemax"
)
log_min_free_bytes = Gauge(
    "streamgauge_log_min_free_bytes", "log.min_free: space that the log leaves free", multiprocess_mode="livemax"
)
worker_failures = Counter("streamgauge_worker_failures_total", "Failures that ended a worker; it is restarted")

# The store.
memory_bytes = Gauge("streamgauge_store_memory_bytes", "Size of the memory tier", multiprocess_mode="livemax")
memory_limit_bytes = Gauge("streamgauge_store_memory_limit_bytes", "memory_limit", multiprocess_mode="livemax")
bytes_per_value = Gauge(
    "streamgauge_store_bytes_per_value",
    "Size of a tier divided by the number of values of measures in it",
    ["tier"],
    multiprocess_mode="livemax",
)
uncommitted_bytes = Gauge(
    "streamgauge_store_uncommitted_bytes",
    "Rows in memory that are not in the magnetic tier yet",
    multiprocess_mode="livemax",
)
chunks = Gauge("streamgauge_store_chunks", "Chunks of the memory tier", multiprocess_mode="livemax")
tables = Gauge("streamgauge_store_tables", "Open tables", multiprocess_mode="livemax")
magnetic_files = Gauge(
    "streamgauge_store_magnetic_files",
    "Live files of a table in the magnetic tier; beyond 100 tables, (others) is the sum of the rest",
    ["table"],
    multiprocess_mode="livemax",
)
magnetic_disk_free_bytes = Gauge(
    "streamgauge_store_disk_free_bytes", "Free space on the disk of a local magnetic tier", multiprocess_mode="livemax"
)
upkeep_seconds = Histogram(
    "streamgauge_store_upkeep_seconds",
    "Time of one piece of work: the flush of a table, the compaction of some of its files, loading some rows back",
    ["work"],
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)
loading = Gauge(
    "streamgauge_store_loading",
    "1 while rows of before the start are loaded back into the memory tier; else 0",
    multiprocess_mode="livemax",
)
loaded_rows = Gauge(
    "streamgauge_store_loaded_rows",
    "Rows of before the start that were loaded back into the memory tier",
    multiprocess_mode="livesum",
)
maintenance_seconds = Histogram(
    "streamgauge_store_maintenance_seconds",
    "Time of one maintenance pass of the store (flush, compaction, retention, eviction)",
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)

# Usage, by account. They are gauges, because they are the saved sums of 13 months, and not counted from each start.
_USAGE = (
    ("records", "Records written"),
    ("written_bytes", "Bytes of records written"),
    ("queries", "Queries"),
    ("scanned_bytes", "Bytes that queries have scanned"),
    ("metered_bytes", "Bytes that queries have scanned, at least 10 MB each"),
    ("memory_bytes", "Size of the account's share of the memory tier, now"),
    ("magnetic_bytes", "Size of the files of the account's tables in the magnetic tier, now"),
)
USAGE_OF_ACCOUNTS = tuple(
    Gauge(f"streamgauge_usage_{name}", told, ["account"], multiprocess_mode="livesum") for name, told in _USAGE
)
(
    usage_records,
    usage_written_bytes,
    usage_queries,
    usage_scanned_bytes,
    usage_metered_bytes,
    usage_memory_bytes,
    usage_magnetic_bytes,
) = USAGE_OF_ACCOUNTS

quota_refusals = Counter(
    "streamgauge_quota_refusals_total",
    "Refused records and queries of an account, and connections that were not read for a while, because of its quota",
    ["account", "quota"],
)

scheduled_runs = Counter("streamgauge_scheduled_runs_total", "Runs of scheduled queries", ["state"])
scheduled_run_seconds = Histogram(
    "streamgauge_scheduled_run_seconds",
    "Duration of a run of a scheduled query",
    buckets=(0.1, 0.3, 1, 3, 10, 30, 100, 300, 1_000),
)
scheduled_records = Counter("streamgauge_scheduled_records_total", "Records that runs of scheduled queries have stored")
scheduled_behind_seconds = Gauge(
    "streamgauge_scheduled_behind_seconds", "How long the run of a scheduled query that has been due longest waits"
)
rollup_seconds = Histogram(
    "streamgauge_rollup_seconds",
    "Duration of making the bins of a rollup table that were due",
    ["table"],
    buckets=(0.1, 0.3, 1, 3, 10, 30, 100, 300, 1_000),
)
rollup_records = Counter("streamgauge_rollup_records_total", "Records that were made for a rollup table", ["table"])
rollup_behind_seconds = Gauge(
    "streamgauge_rollup_behind_seconds", "Seconds of bins of a rollup table that are over and not made", ["table"]
)

damage_found = Counter(
    "streamgauge_store_damage_total",
    "Files and log messages found damaged, by what they are and what became of them: repaired, made_again, lost",
    ["kind", "outcome"],
)

# The log.
log_messages_lost = Counter(
    "streamgauge_log_lost_messages_total", "Messages deleted from the log before they were processed", ["topic"]
)

# Alerts.
alerts_muted = Gauge(
    "streamgauge_alerts_muted",
    "Alerts that fire and that nobody is told of: silenced, inhibited, acknowledged",
    ["reason"],
    multiprocess_mode="livemax",
)
alerts_waiting = Gauge(
    "streamgauge_alerts_waiting",
    "Alerts that fire and wait to be told together with others of their group",
    multiprocess_mode="livemax",
)
silences_active = Gauge(
    "streamgauge_alerts_active_silences", "Silences that are active now", multiprocess_mode="livemax"
)

# Webhooks.
webhook_attempts = Counter("streamgauge_webhooks_attempts_total", "Attempts to deliver", ["receiver", "outcome"])
webhook_failing = Gauge(
    "streamgauge_webhooks_failing",
    "1: the last attempt at this receiver failed",
    ["receiver"],
    multiprocess_mode="livemax",
)
webhook_seconds = Histogram(
    "streamgauge_webhooks_request_seconds",
    "Time from connecting to a receiver until its answer, or the timeout",
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10),
)
webhooks_queued = Gauge(
    "streamgauge_webhooks_queued", "Deliveries that wait or will be retried", ["receiver"], multiprocess_mode="livemax"
)

# HTTP.
http_requests = Counter("streamgauge_http_requests_total", "Requests answered", ["method", "route", "status"])
http_seconds = Histogram(
    "streamgauge_http_request_seconds",
    "Time from a request until its response is sent",
    ["route"],
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60),
)
http_connections_refused = Counter(
    "streamgauge_http_connections_refused_total",
    "Connections closed by a limit, by reason",
    ["reason"],
)
http_requests_refused = Counter(
    "streamgauge_http_requests_refused_total",
    "Requests refused because of what is in progress, by reason",
    ["reason"],
)
http_streams = Gauge("streamgauge_http_streams", "Streams of alerts that are open", multiprocess_mode="livesum")
http_streams_closed = Counter(
    "streamgauge_http_streams_closed_total",
    "Streams of alerts that were closed: slow (the client did not take an event), moved (another worker has them)",
    ["reason"],
)
http_queries = Gauge(
    "streamgauge_http_queries",
    "Queries (kind query) and lists that run, wait for a slot, or were given up: interrupted, but not ended yet",
    ["kind", "state"],
    multiprocess_mode="livesum",
)
http_query_seconds = Histogram(
    "streamgauge_http_query_seconds",
    "Time of a query in its slot, without the time it waited for one",
    ["kind"],
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60),
)
http_query_wait_seconds = Histogram(
    "streamgauge_http_query_wait_seconds",
    "Time that a query waited for a slot",
    ["kind"],
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60),
)
http_query_failures = Counter("streamgauge_http_query_failures_total", "Failed queries", ["reason"])
timestream_requests = Counter(
    "streamgauge_timestream_requests_total", "Requests in Timestream's protocol", ["operation", "outcome"]
)

# The host's clock, as each process sees it.
clock_steps = Counter(
    "streamgauge_clock_steps_total", "Times the host's clock was set by more than a second", ["process", "direction"]
)
clock_is_set = Gauge(
    "streamgauge_clock_is_set",
    "1; 0 while the host's clock is before the release of this program",
    ["process"],
    multiprocess_mode="livemin",
)
clock_unset_messages = Counter(
    "streamgauge_clock_unset_messages_total", "Messages stamped while the host's clock was not set"
)
clock_settles = Gauge(
    "streamgauge_clock_settling",
    "1 while retention is suspended because the host's clock jumped ahead; else 0",
    multiprocess_mode="livemax",
)

# Each process.
build_info = Gauge("streamgauge_process_build_info", "1", ["version", "python"], multiprocess_mode="livemax")
process_start = Gauge(
    "streamgauge_process_start_time_seconds",
    "When the newest of them started",
    ["process"],
    multiprocess_mode="livemax",
)
process_cpu = Counter("streamgauge_process_cpu_seconds_total", "Processor time, user and system", ["process"])
process_memory = Gauge(
    "streamgauge_process_resident_bytes", "Resident memory", ["process"], multiprocess_mode="livesum"
)
process_open_files = Gauge(
    "streamgauge_process_open_files",
    "Open files, of which each connection is one",
    ["process"],
    multiprocess_mode="livemax",
)
process_max_open_files = Gauge(
    "streamgauge_process_max_open_files", "The limit of open files", ["process"], multiprocess_mode="livemin"
)


def count_damage(kind: str, outcome: str) -> None:
    """Count a report of damage (`store.objects.damage`)."""
    damage_found.labels(kind, outcome).inc()
