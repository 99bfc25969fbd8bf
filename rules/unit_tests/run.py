"""Runs a unit test of rules: at each interval one batch with a row of every series that has a value then.

In between time goes on, so that silence is noticed: from second to second, or in longer steps if the interval is long.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

import numpy as np

from rules.alerts.transition import Transition
from rules.definition.level import SEVERITY
from rules.replaying.replay import Replay
from rules.rule import RuleSet
from rules.unit_tests.document import Expected, UnitTest
from store.record import TableId
from store.values.durations import format_duration
from store.values.times import NS, NS_PER_MS

MOST_TICKS = 3_600
"""In an interval."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: `-` is expected and did not come, `+` came and is not expected."""

    sign: str
    at_ns: int
    text: str

    def __str__(self) -> str:
        return f"{self.sign} {self.text}"


_Came: TypeAlias = tuple[Transition, tuple[str, ...] | None]
Hearers: TypeAlias = Callable[[Transition], tuple[str, ...]]
"""The receivers that hear of a transition, sorted."""


def run_test(test: UnitTest, rules: RuleSet, hearers: Hearers | None = None) -> list[Difference]:
    """The differences between what comes and what is expected, in order of time; none if the test passes.

    hearers: needed if the test says who hears of an alert. Raises ValueError if it is needed and not there, or if the
    test does not say which table it is about, and the rules do not either.
    """
    asks = any(expected.receivers is not None for expected in test.expected)
    if asks and hearers is None:
        raise ValueError("the test says who hears of an alert: that takes a configuration with routes")
    found = transitions_of(test, rules)
    return _compared(test, [(one, hearers(one) if asks and hearers is not None else None) for one in found])


def transitions_of(test: UnitTest, rules: RuleSet) -> list[Transition]:
    """What comes of the series of a test. Raises ValueError as `run_test`."""
    table = test.table or _only_table(rules)
    database, _, name = table.partition(".")
    replay = Replay(rules, TableId(test.account, database, name))
    found: list[Transition] = []
    ids = [replay.series(series.key, series.zone) for series in test.series]
    length = max((len(values) for series in test.series for values in series.values.values()), default=0)
    measures = sorted({measure for series in test.series for measure in series.values})
    every_ns = max(NS, test.interval_ns // MOST_TICKS)
    for step in range(length):
        time_ns = test.start_ns + step * test.interval_ns
        columns = {
            measure: np.array([_at(series.values.get(measure, ()), step) for series in test.series])
            for measure in measures
        }
        chosen = np.flatnonzero(np.any([~np.isnan(values) for values in columns.values()], axis=0))
        if step:  # not until now: what was waited for may be among these rows
            found += replay.listen(time_ns - every_ns, every_ns)
        if len(chosen):
            found += replay.feed(
                np.array(ids, np.int32)[chosen],
                np.full(len(chosen), time_ns, np.int64),
                {measure: values[chosen] for measure, values in columns.items()},
            )
        found += replay.listen(time_ns, every_ns)
    return found


def _only_table(rules: RuleSet) -> str:
    tables = sorted(rules.tables)
    if len(tables) != 1:
        raise ValueError(f"the rules have the tables {', '.join(tables)}: the test has to name its `table`")
    return tables[0]


def _at(values: Sequence[float], step: int) -> float:
    return values[step] if step < len(values) else math.nan


def _compared(test: UnitTest, found: Sequence[_Came]) -> list[Difference]:
    left = list(found)
    missing = []
    for expected in test.expected:
        match = next((came for came in left if _is(expected, *came, test.start_ns)), None)
        if match is None:
            missing.append(Difference("-", expected.at_ns, _expected_text(expected)))
        else:
            left.remove(match)
    unexpected = [
        Difference("+", one.time_ns - test.start_ns, _text(one, heard_by, test.start_ns)) for one, heard_by in left
    ]
    return sorted([*missing, *unexpected], key=lambda difference: difference.at_ns)


def _is(expected: Expected, one: Transition, heard_by: tuple[str, ...] | None, start_ns: int) -> bool:
    value_fits = expected.value is None or (one.value is not None and math.isclose(one.value, expected.value))
    return (
        (one.time_ns - start_ns) // NS_PER_MS == expected.at_ns // NS_PER_MS
        and (one.rule, str(one.status)) == (expected.rule, expected.status)
        and value_fits
        and expected.severity in (None, one.labels.get(SEVERITY))
        and expected.zone in (None, one.zone)
        and expected.dimensions.items() <= one.dimensions.items()
        and expected.annotations.items() <= one.annotations.items()
        and expected.receivers in (None, heard_by)
    )


def _expected_text(expected: Expected) -> str:
    facts = {
        "value": None if expected.value is None else f"{expected.value:g}",
        "severity": expected.severity,
        "zone": expected.zone,
        **expected.dimensions,
        **expected.annotations,
        "receivers": _names(expected.receivers),
    }
    return _line(expected.at_ns, expected.rule, expected.status, facts)


def _text(one: Transition, heard_by: tuple[str, ...] | None, start_ns: int) -> str:
    facts = {
        "value": None if one.value is None else f"{one.value:.10g}",
        "severity": one.labels.get(SEVERITY),
        "zone": one.zone,
        **one.dimensions,
        **one.annotations,
        "receivers": _names(heard_by),
    }
    return _line(one.time_ns - start_ns, one.rule, str(one.status), facts)


def _names(receivers: tuple[str, ...] | None) -> str | None:
    return None if receivers is None else ",".join(receivers) or "nobody"


def _line(at_ns: int, rule: str, status: str, facts: dict[str, str | None]) -> str:
    told = " ".join(f"{name}={value}" for name, value in facts.items() if value is not None)
    return f"at {_since(at_ns)}: {rule} {status} {told}".rstrip()


def _since(at_ns: int) -> str:
    return format_duration(timedelta(milliseconds=at_ns // NS_PER_MS))
