"""Feeds an engine in tests: one table, series by short names, batches from rows as plain tuples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from rules.alerts.transition import Transition
from rules.engine import Engine
from rules.files.parse import parse_rules
from rules.rule import RuleSet
from rules.values.listening import Listened
from store.record import MeasureType, RecordBatch, SeriesKey, SeriesRegistry, TableId

TABLE = TableId("default", "agriculture", "readings")
STREAM = "0123456789abcdef/readings/0"
SECOND = 1_000_000_000
START = 1_790_000_000  # seconds; an ordinary day

Row = tuple[str, int, float | None]
"""Sensor, seconds after START, value."""


def rules_of(*bodies: str) -> RuleSet:
    """Rules from flow-style YAML bodies: `alert: A, measure: temperature, range: {max: 30}`."""
    text = "groups:\n  - name: g\n    table: agriculture.readings\n    rules:\n"
    rules, problems = parse_rules(text + "".join(f"      - {{{body}}}\n" for body in bodies), "test.yaml")
    assert not problems
    return RuleSet(tuple(rules))


class Feed:
    """An engine over one table, whose series have the dimensions sensor and region (the sensor's first letter)."""

    def __init__(self, rules: RuleSet, table: TableId = TABLE) -> None:
        self.registry = SeriesRegistry()
        self.engine = Engine(rules, self.registry)
        self.table = table
        self.offset = 0
        self._listened = 0
        self.transitions: list[Transition] = []  # of the last tick

    def batch(
        self, rows: Sequence[Row], measure: str = "temperature", kind: MeasureType = MeasureType.DOUBLE
    ) -> RecordBatch:
        """The rows as one batch, each row with the next offset."""
        index = self.registry.of(self.table)
        series = [index.id_of(self.key(sensor), self.zone_of(sensor)) for sensor, _, _ in rows]
        first, self.offset = self.offset, self.offset + len(rows)
        return RecordBatch(
            index,
            STREAM,
            np.array(series, np.int32),
            np.array([(START + seconds) * SECOND for _, seconds, _ in rows], np.int64),
            np.ones(len(rows), np.int64),
            np.arange(first, self.offset, dtype=np.int64),
            np.array([(START + seconds) * SECOND for _, seconds, _ in rows], np.int64),
            {measure: pa.array([value for _, _, value in rows], kind.arrow)},
            {measure: kind},
        )

    @staticmethod
    def zone_of(sensor: str) -> str:
        return f"zone-{sensor}"

    @staticmethod
    def key(sensor: str) -> SeriesKey:
        return SeriesKey((("region", sensor[0]), ("sensor", sensor)), "climate")

    def send(self, *rows: Row) -> list[tuple[str, str, int, float]]:
        """What one batch of these rows changes: (sensor, status, seconds, value)."""
        return brief(self.engine.evaluate(self.batch(rows)))

    def arrives(self, seconds: int, *rows: Row, again: bool = False) -> list[tuple[str, str, int, float]]:
        """The same for rows that arrive so many seconds after START."""
        arrival_ns = np.full(len(rows), (START + seconds) * SECOND, np.int64)
        return brief(self.engine.evaluate(replace(self.batch(rows), arrival_ns=arrival_ns, again=again)))

    def ticks(self, *seconds: int) -> list[tuple[str, str, int, float]]:
        """What changes while we listen on, until each of these seconds after START."""
        found = []
        for upto in seconds:
            found += self.tick(self._listened, upto)
        return found

    def hears(self, second: int, *sensors: str) -> list[tuple[str, str, int, float]]:
        """What changes while we listen on until then, and by a reading of each of these sensors."""
        return [*self.ticks(second), *self.arrives(second, *((sensor, second, 20.0) for sensor in sensors))]

    def tick(self, begin: int, end: int, listener: str = "gateway") -> list[tuple[str, str, int, float]]:
        """What changes with one tick, of so many seconds after START."""
        self._listened = end
        self.offset += 1
        heard = Listened(listener, (START + begin) * SECOND, (START + end) * SECOND)
        self.transitions = self.engine.tick(STREAM, self.offset - 1, heard)
        self.engine.advance(STREAM, self.offset - 1)
        return brief(self.transitions)

    def phases(self) -> list[tuple[str, str, str]]:
        """(sensor, rule, phase) of all that is active."""
        return [(alert.dimensions["sensor"], alert.rule, alert.phase.name) for alert in self.engine.active()]


def brief(transitions: Sequence[Transition]) -> list[tuple[str, str, int, float]]:
    """(sensor, status, seconds, value) of each."""
    return [
        (
            found.dimensions.get("sensor") or f"zone {found.zone}",
            str(found.status),
            found.time_ns // SECOND - START,
            found.value,
        )
        for found in transitions
    ]


def _subject(found: Transition) -> str:
    return found.dimensions.get("sensor") or f"zone {found.zone}"
