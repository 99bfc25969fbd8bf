"""Reads values from a page of metrics in Prometheus' text format."""

from __future__ import annotations

MESSAGES = "streamgauge_gateway_messages_total"
ALERTS = "streamgauge_rules_alerts_total"
LAG = "streamgauge_stream_lag_seconds"
REJECTED = "streamgauge_stream_dead_letters_total"
CONNECTIONS = "streamgauge_gateway_connections"


def sum_of(metrics: str, name: str, label: str = "") -> float:
    """The sum of a metric's samples with this label in a page of metrics; 0 if there are none."""
    total = 0.0
    for line in metrics.splitlines():
        if line.startswith((name + "{", name + " ")) and label in line:
            total += float(line.rpartition(" ")[2])
    return total
