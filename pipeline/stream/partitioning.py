"""The partition of [readings] for a message or record: pure, and the same in every process of every version.

All rows of one zone go to one partition, so that one worker sees the whole zone: the key is (account, table, zone) if
the zone is known. The zone of an MQTT message depends only on the levels of its MQTT topic, because payloads are not
read before the log; if it depends on the payload, or no table matches the topic, the key is (account, MQTT topic). The
zone of a record depends on its dimensions; without a zone the dimensions are the key. If this code or the templates of
a table change, zones move to other partitions: existing rows stay where they are.
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

MAX_REMEMBERED = 1_000_000  # MQTT topics of about 100 bytes each; devices that invent topics must not fill the memory
_SEPARATOR = "\0"  # occurs in no MQTT topic (3.1.1, section 1.5.3) and in no name of ours


@dataclass(frozen=True, slots=True)
class Zoning:
    """The MQTT topics of a table, and its zone template (None: the MQTT topic without its last level)."""

    database: str
    table: str
    topics: TopicTemplate
    zone: str | None


def zonings_from(tables: Iterable[Table]) -> tuple[Zoning, ...]:
    """The zonings of these tables, in their order."""
    return tuple(
        Zoning(*table.database_and_table, TopicTemplate(table.topics), table.zone_template) for table in tables
    )


def partition_of_message(zonings: Iterable[Zoning], partitions: int, account: str, mqtt_topic: str) -> int:
    """The partition for a message of this account and MQTT topic."""
    for zoning in zonings:
        dimensions = zoning.topics.match(mqtt_topic)
        if dimensions is not None:
            zone = zone_of(zoning.zone, *dimensions, mqtt_topic)
            if zone is None:
                break
            return _partition(partitions, account, zoning.database, zoning.table, zone)
    return _partition(partitions, account, mqtt_topic)


def partition_of_record(
    partitions: int, account: str, database: str, table: str, zone: str | None, dimensions: Mapping[str, str]
) -> int:
    """The partition for a record of this table, by its zone if it has one."""
    if zone is not None:
        return _partition(partitions, account, database, table, zone)
    own = (part for item in sorted(dimensions.items()) for part in item)
    return _partition(partitions, account, database, table, "", *own)


def _partition(partitions: int, *key: str) -> int:
    return zlib.crc32(_SEPARATOR.join(key).encode()) % partitions


class Partitioner:
    """`partition_of_message` for one log, cached by account and MQTT topic. Called for every message: 0.1 µs."""

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
    """The partitioner of a log with `partitions` partitions; None if there is only one."""
    return Partitioner(zonings_from(tables), partitions) if partitions > 1 else None
