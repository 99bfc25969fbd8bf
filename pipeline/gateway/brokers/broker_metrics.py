"""The metrics of one broker, with labels looked up once."""

from __future__ import annotations

from pipeline.base import metrics
from pipeline.gateway.brokers.intake import Fate
from pipeline.gateway.brokers.trouble import Kind


class BrokerMetrics:
    """The metrics of the broker `label` (host:port)."""

    def __init__(self, label: str) -> None:
        self._label = label
        self.connected = metrics.broker_connected.labels(label)
        self.reconnects = metrics.broker_reconnects.labels(label)
        self.messages = metrics.broker_messages.labels(label)
        self.acknowledged = metrics.broker_acknowledged.labels(label)
        self.stale = metrics.broker_stale_acks.labels(label)
        self.unacknowledged = metrics.broker_unacknowledged.labels(label)
        self.left = {
            fate: metrics.broker_left_messages.labels(label, fate.value) for fate in Fate if fate is not Fate.TAKEN
        }
        self.cut = metrics.broker_cut_messages.labels(label)

    def count_error(self, kind: Kind) -> None:
        """Count a failed connection, or attempt to connect, by its kind."""
        metrics.broker_errors.labels(self._label, kind.value).inc()
