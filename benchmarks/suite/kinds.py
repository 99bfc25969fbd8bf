"""Tables and questions of a benchmark suite, in the words of all systems."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Doubles: TypeAlias = npt.NDArray[np.float64]
Random: TypeAlias = np.random.Generator

ROWS_PER_MESSAGE = 200


@dataclass(frozen=True)
class SuiteTable:
    """Rows of things, all at the same times.

    things   the dimensions of each; the first of them is its name
    times_ms when each was measured
    values   by measure: one row for each thing, one column for each time
    """

    name: str
    things: Sequence[Mapping[str, str]]
    times_ms: npt.NDArray[np.int64]
    values: Mapping[str, Doubles]

    @property
    def dimensions(self) -> list[str]:
        """The names of the dimensions."""
        return list(self.things[0])

    @property
    def number_of_values(self) -> int:
        """Of all measures."""
        return sum(values.size for values in self.values.values())

    def messages(self) -> Iterator[tuple[str, bytes]]:
        """MQTT topic and payload: arrays of the rows of one thing, oldest first, things in turn."""
        for first in range(0, len(self.times_ms), ROWS_PER_MESSAGE):
            times = self.times_ms[first : first + ROWS_PER_MESSAGE].tolist()
            for number, thing in enumerate(self.things):
                columns = [values[number, first : first + ROWS_PER_MESSAGE].tolist() for values in self.values.values()]
                rows = [
                    {"ts": time_ms, **thing, **dict(zip(self.values, row, strict=True))}
                    for time_ms, *row in zip(times, *columns, strict=True)
                ]
                yield f"suite/{self.name}/{number}", json.dumps(rows).encode()

    def lines(self) -> Iterator[str]:
        """The same in InfluxDB's line protocol, with milliseconds."""
        for place, time_ms in enumerate(self.times_ms.tolist()):
            for number, thing in enumerate(self.things):
                tags = "".join(f",{name}={value}" for name, value in thing.items())
                fields = ",".join(f"{name}={values[number, place]}" for name, values in self.values.items())
                yield f"{self.name}{tags} {fields} {time_ms}"


@dataclass(frozen=True)
class Question:
    """One question.

    kind    its name in the suite
    sql     in Timestream's dialect
    promql  for VictoriaMetrics; None: it has no words for it
    from_ms, to_ms, step  of the range query; without `step` it is asked for `to_ms`
    """

    kind: str
    sql: str
    promql: str | None = None
    from_ms: int = 0
    to_ms: int = 0
    step: str | None = None


@dataclass(frozen=True)
class Suite:
    """Tables, and a function from a random generator to one question of each kind about them."""

    name: str
    tables: Sequence[SuiteTable]
    questions: Callable[[Random], list[Question]]

    @property
    def number_of_values(self) -> int:
        """Of all tables."""
        return sum(table.number_of_values for table in self.tables)


def walks(random: Random, things: int, times: int, first: float, step: float, low: float, high: float) -> Doubles:
    """Random walks between two bounds with one decimal, as (things, times)."""
    steps = random.normal(0, step, (things, times))
    steps[:, 0] += first
    walked = np.abs(np.cumsum(steps, axis=1) - low) % (2 * (high - low))  # reflected at the bounds
    return np.round(low + np.minimum(walked, 2 * (high - low) - walked), 1)


def between(from_ms: int, to_ms: int) -> str:
    """The condition in SQL."""
    return f"time BETWEEN '{literal(from_ms)}' AND '{literal(to_ms)}'"


def literal(time_ms: int) -> str:
    """A time as SQL reads it."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
