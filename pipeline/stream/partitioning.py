"""Which partition of [readings] a message or record belongs to: pure, and the same in every process of every version.

All of one zone goes to one partition, so that one worker sees the zone whole: the key is (account, table, zone)
wherever the zone can be told. An MQTT message's zone comes from its MQTT topic's levels alone, as payloads are not read
before the log; where it depends on the payload, or no table takes the topic, the key is (account, MQTT topic). A
record's comes from its dimensions; one without a zone goes by its dimensions.
Changing this, or a table's templates, moves zones to other partitions: what was written stays where it is.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.stream.normalise.templates import TopicTemplate
from pipeline.stream.normalise.zones import zone_of

if TYPE_CHECKING:
    from pipeline.config.tables import Table

MAX_REMEMBERED = 1_000_000  # MQTT topics; about 100 bytes each; devices that make up topics must not fill the memory
_SEPARATOR = "\0"  # in no MQTT topic (3.1.1, section 1.5.3) and in no name of ours


@dataclass(frozen=True, slots=True)
class Zoning:
    """Which MQTT topics a table takes, and what a zone of it is (None: the MQTT topic without its last level)."""

    database: str
    table: str
    topics: TopicTemplate
    zone: str | None


def zonings_from(tables: Iterable[Table]) -> tuple[Zoning, ...]:
    """Those of these tables, in their order."""
    return tuple(
        Zoning(*table.database_and_table, TopicTemplate(table.topics), table.zone_template) for table in tables
    )


def partition_of_message(zonings: Iterable[Zoning], partitions: int, account: str, mqtt_topic: str) -> int:
    """Where a message of this account and MQTT topic goes."""
    for zoning in zonings:
        dimensions = zoning.topics.match(mqtt_topic)
        if dimensions is not None:
            zone = zone_of(zoning.zone, dict(dimensions), mqtt_topic)
            if zone is None:
                break
            return _partition(partitions, account, zoning.database, zoning.table, zone)
    return _partition(partitions, account, mqtt_topic)


def partition_of_record(
    partitions: int, account: str, database: str, table: str, zone: str | None, dimensions: Mapping[str, str]
) -> int:
    """Where a record of this table goes, by its zone if it has one."""
    if zone is not None:
        return _partition(partitions, account, database, table, zone)
    own = (part for item in sorted(dimensions.items()) for part in item)
    return _partition(partitions, account, database, table, "", *own)


def _partition(partitions: int, *key: str) -> int:
    return zlib.crc32(_SEPARATOR.join(key).encode()) % partitions


class Partitioner:
    """`partition_of_message` of one log, remembered by account and MQTT topic. Called for every message: 0.1 µs."""

    def __init__(self, zonings: Iterable[Zoning], partitions: int) -> None:
        self.partitions = partitions
        self._zonings = tuple(zonings)
        self._known: dict[tuple[str, str], int] = {}

    def __call__(self, account: str, mqtt_topic: str) -> int:
        """The partition."""
        partition = self._known.get((account, mqtt_topic))
        if partition is None:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            partition = partition_of_message(self._zonings, self.partitions, account, mqtt_topic)
            self._known[account, mqtt_topic] = partition
        return partition


def partitioner_of(tables: Iterable[Table], partitions: int) -> Partitioner | None:
    """The partitioner of a log with so many partitions; None where there is nothing to choose."""
    return Partitioner(zonings_from(tables), partitions) if partitions > 1 else None
