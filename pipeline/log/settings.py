"""The settings of the log as plain values: its place, its limits and, for Kafka, the connection.

Made from the configuration (`pipeline.config`), which validates them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.log import topics

LOCAL_SCHEME = "local://"
KAFKA_SCHEME = "kafka://"
KAFKA_PORT = 9092

_GIB = 1 << 30
_DAY_S = 86_400.0

# The largest message: a frame (one ack batch, or one WriteRecords request) is below 2 MiB; the rest is a margin.
MAX_MESSAGE_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Retention:
    """How long Kafka keeps the messages of a topic, and how many bytes of each partition; None: any number."""

    time_s: float
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Tls:
    """The CA of the brokers (`ca`; None: the system's CAs), and our certificate."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Sasl:
    """The credentials for the brokers."""

    username: str
    password: str = field(repr=False)
    mechanism: str = "PLAIN"


def _retention() -> Mapping[str, Retention]:
    return {
        topics.READINGS: Retention(7 * _DAY_S),
        topics.ALERTS: Retention(30 * _DAY_S),
        topics.DEAD_LETTERS: Retention(7 * _DAY_S, 256 << 20),
    }


@dataclass(frozen=True, slots=True)
class LogSettings:
    """All settings of the log.

    url              `local:///absolute/folder` or `kafka://host:port[,host:port …]`; never contains a password
    max_bytes        embedded: the size at which appends are refused
    min_free_bytes   embedded: appends are refused if less than this is free on the disk
    partitions       Kafka: of [readings] when it is created; the other topics have one
    replication      Kafka: copies of every message; None: the brokers' default
    retention        Kafka: by topic
    prefix           Kafka: of the names of all our topics there
    group            Kafka: the consumer group of the workers
    session_s        Kafka: partitions of a worker without heartbeats for this long are assigned to others
    heartbeat_s      Kafka: the interval of heartbeats
    rebalance_s      Kafka: how long a worker may take to give up its partitions
    append_s         Kafka: an append without an answer for this long raises LogUnavailable
    request_s        Kafka: a request without an answer for this long has failed
    """

    url: str
    max_bytes: int = 8 * _GIB
    min_free_bytes: int = _GIB
    partitions: int = 4
    replication: int | None = None
    retention: Mapping[str, Retention] = field(default_factory=_retention)
    prefix: str = "streamgauge."
    group: str = "streamgauge"
    tls: Tls | None = None
    sasl: Sasl | None = None
    session_s: float = 6.0
    heartbeat_s: float = 1.0
    rebalance_s: float = 8.0
    append_s: float = 10.0
    request_s: float = 10.0

    @property
    def is_kafka(self) -> bool:
        """Whether the log is Kafka, and so may have several partitions and workers."""
        return self.url.startswith(KAFKA_SCHEME)

    @property
    def servers(self) -> list[str]:
        """The bootstrap brokers, as host:port."""
        names = self.url.removeprefix(KAFKA_SCHEME).rstrip("/").split(",")
        return [name if _has_port(name) else f"{name}:{KAFKA_PORT}" for name in names]

    def kafka_topic(self, topic: str) -> str:
        """The name of one of our topics on Kafka."""
        return self.prefix + topic

    def bare_topic(self, kafka_topic: str) -> str:
        """Our name of a topic on Kafka."""
        return kafka_topic.removeprefix(self.prefix)

    def partitions_wanted(self, topic: str) -> int:
        """The number of partitions with which a topic is created."""
        return self.partitions if topic == topics.READINGS else 1


def _has_port(name: str) -> bool:
    return ":" in name.rpartition("]")[2]
