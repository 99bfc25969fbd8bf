"""Every metric of the product, in one place. Names: streamgauge_<package>_<thing>_<unit>[_total].

Several processes on one machine share the metrics through `PROMETHEUS_MULTIPROC_DIR` (see `pipeline.cli`), so whichever
worker is asked for /metrics answers for all. Count once a batch, never once a message.
"""

from __future__ import annotations

from prometheus_client import Counter

# The gateway: what devices sent.
messages_received = Counter("streamgauge_gateway_messages_total", "PUBLISH packets taken in", ["qos"])
messages_acknowledged = Counter("streamgauge_gateway_acknowledged_total", "PUBACKs sent, each after the log's fsync")
