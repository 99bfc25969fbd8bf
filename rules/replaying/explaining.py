"""Why an alert fired: its rule over the rows of its time again, value by value. Pure: rows in, an explanation out.

It is the engine of the stream. It begins some time before the onset (`span_ns`) with empty state, so an explanation
says whether it came to the same alert. Rows are fed time by time, with a tick at each, as if we had always listened.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rules.alerts.phases import Phase
from rules.alerts.transition import Transition
from rules.definition.bands import Timetable
from rules.definition.selection import ZONE_NAME
from rules.evaluation.watch import Watch
from rules.files.composing import with_parts
from rules.kinds.composite import Composite
from rules.kinds.detector import Detector
from rules.kinds.judging import Judged
from rules.kinds.peers import Peers
from rules.kinds.zone import Zone
from rules.replaying.backtest import Backtest, Layout, times_of
from rules.rule import Rule, RuleSet
from store.record import TableId
from store.values.durations import duration_ns
from store.values.times import rfc3339

LEAST_BEFORE_NS = 600 * 10**9
MOST_STEPS = 5_000
"""Different times of rows; of more, the last ones are taken."""
MOST_SHOWN = 500


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of the alert: its newest event (`data` of the webhook), and the explanation of its first one."""

    id: str
    zone: str | None
    dimensions: Mapping[str, str]
    since_ns: int
    until_ns: int
    explanation: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Value:
    """A value that the rule compared with its bounds, and in which phase the alert was then."""

    time_ns: int
    value: float
    bounds: Mapping[str, float]
    phase: str


@dataclass(slots=True)
class Explanation:
    """Why an alert fired.

    reproduced  whether these rows alone give the same alert
    values      what was judged of its subject
    events      what the engine told of it
    peers       of a rule about zones or a detector, what each of its sensors measured in the window that decided
    others      of a composite rule, what its rules told meanwhile
    told        of a detector, what it knew of the value (`explanation` of the firing event)
    """

    reproduced: bool = False
    values: list[Value] = field(default_factory=list)
    events: list[Transition] = field(default_factory=list)
    peers: list[dict[str, Any]] = field(default_factory=list)
    others: list[Transition] = field(default_factory=list)
    told: Mapping[str, Any] = field(default_factory=dict)

    def steps(self) -> Iterator[str]:
        """The decision in sentences: each change of the phase, and what was told."""
        if self.told:
            yield _unusual(self.told)
        phase = "ok"
        told = {one.time_ns: one for one in self.events}
        for value in self.values:
            if value.phase != phase:
                beyond = _beyond(value)
                yield f"{rfc3339(value.time_ns)}: {value.value:.10g} is {beyond}: {value.phase}"
                phase = value.phase
        for one in (*self.others, *told.values()):
            yield f"{rfc3339(one.time_ns)}: {one.rule} {one.status}"


def _beyond(value: Value) -> str:
    low, high = value.bounds.get("min", -math.inf), value.bounds.get("max", math.inf)
    if value.value < low:
        return f"below min {low:.10g}"
    return f"above max {high:.10g}" if value.value > high else "within the bounds"


def _unusual(told: Mapping[str, Any]) -> str:
    """What a detector knew, as a sentence."""
    band = "" if told["lower"] is None else f" instead of {told['lower']:.6g} to {told['upper']:.6g}"
    expected = "" if told["expected"] is None else f" (expected {told['expected']:.6g})"
    average = "no value" if told["average"] is None else f"an average of {told['average']:.6g}"
    return f"{told['feature']}: {average}{band}{expected}, score {told['score']:.4g}, p = {told['p']:.2g}"


def needed_rules(rules: RuleSet, name: str) -> RuleSet:
    """The rule and those that it is composed of; rows come in order, so none of them waits."""
    return RuleSet(tuple(replace(rule, lateness_ns=0) for rule in with_parts(rules.rules, {name})))


def span_ns(rules: RuleSet) -> int:
    """How long before the onset something may have had an influence, usually."""
    spans = [
        value
        for rule in rules.rules
        for part in fields(rule.condition)  # type: ignore[arg-type]  # all of them are dataclasses
        if isinstance(value := getattr(rule.condition, part.name), timedelta)
    ]
    holds = (level.hold.ns for rule in rules.rules for level in rule.levels)
    return LEAST_BEFORE_NS + 3 * max(map(duration_ns, spans), default=0) + max(holds, default=0)


def where_of(rule: Rule, told: Told) -> dict[str, str]:
    """The columns and values that choose the rows of an alert; none: all rows."""
    of_zone = ZONE_NAME in told.dimensions or isinstance(rule.condition, Zone | Peers | Detector)
    if of_zone or (isinstance(rule.condition, Composite) and told.zone is not None):
        return {} if told.zone is None else {ZONE_NAME: told.zone}
    return dict(told.dimensions)


def explain(rules: RuleSet, name: str, table: TableId, layout: Layout, rows: pa.Table, told: Told) -> Explanation:
    """The explanation of an alert of the rule `name`, from rows of its time in any order."""
    rows = rows.take(pc.sort_indices(rows, sort_keys=[(layout.time, "ascending")]))
    time_ns = times_of(rows[layout.time])
    starts = np.unique(time_ns, return_index=True)[1][-MOST_STEPS:].tolist()
    run, found = _Run(rules, table, layout), Explanation()
    watch = run.watch(name)
    if watch is not None:
        watch.observe = partial(_note, watch, told, found)
    for start, end in zip(starts, [*starts[1:], len(time_ns)], strict=True):
        run.step(rows.slice(start, end - start), int(time_ns[start]))
    found.events = [one for one in run.transitions if one.id == told.id]
    found.others = [one for one in run.transitions if one.rule != name and _is_about(one, told)]
    found.reproduced = bool(found.events)
    found.peers = _peers(rules, name, layout, rows, told, found)
    found.told = told.explanation
    found.values = found.values[-MOST_SHOWN:]
    return found


class _Run(Backtest):
    """A backtest time by time; `transitions` are all that were told."""

    def __init__(self, rules: RuleSet, table: TableId, layout: Layout) -> None:
        super().__init__(rules, table, layout)
        self.transitions: list[Transition] = []
        self._table = table

    def watch(self, rule: str) -> Watch | None:
        """The rule of this name, unless it is one of silence."""
        return self._replay.engine.watch(self._table, rule)

    def step(self, rows: pa.Table, now_ns: int) -> None:
        """Judge the rows of one time, and that it is this time."""
        times = np.full(len(rows), now_ns, np.int64)
        self.transitions += self._replay.feed(self._series(rows), times, self._values(rows))
        self.transitions += self._replay.tick(now_ns)


def _is_about(one: Transition, told: Told) -> bool:
    return one.dimensions.items() <= {**told.dimensions, ZONE_NAME: told.zone or ""}.items()


def _note(watch: Watch, told: Told, found: Explanation, judged: Judged) -> None:
    """Note the values that were judged of the alert's subject."""
    wanted = dict(told.dimensions)
    for place, subject in enumerate(judged.subject.tolist()):
        is_judged = judged.eligible is None or bool(judged.eligible[place])
        if is_judged and dict(watch.subjects.keys[subject].dimensions) == wanted:
            time_ns, value = int(judged.time_ns[place]), float(judged.value[place])
            found.values.append(Value(time_ns, value, _bounds(watch, time_ns), _phase(watch, subject)))


def _bounds(watch: Watch, time_ns: int) -> dict[str, float]:
    """Of the least severe level, at this time."""
    normal = Timetable(watch.rule.levels[0].limits).at(np.array([time_ns], np.int64))
    low, high = (float(np.ravel(part)[0]) for part in (normal.min, normal.max))
    return {key: bound for key, bound in (("min", low), ("max", high)) if not math.isinf(bound)}


def _phase(watch: Watch, subject: int) -> str:
    """The phase of the most severe level that is not ok."""
    names = {Phase.OK: "ok", Phase.PENDING: "pending", Phase.FIRING: "firing"}
    return names[Phase(max(int(level.phase[subject]) for level in watch.levels))]


def _deciding(rule: Rule, told: Told, found: Explanation) -> tuple[int, int] | None:
    """The begin and the end of the window that decided; None if there is none."""
    match rule.condition:
        case Zone() | Peers() as condition if found.events:
            end_ns, over = found.events[0].time_ns, condition.over
        case Detector() as condition:
            end_ns, over = told.since_ns, condition.every
        case _:
            return None
    return end_ns - duration_ns(over), end_ns


def _peers(
    rules: RuleSet, name: str, layout: Layout, rows: pa.Table, told: Told, found: Explanation
) -> list[dict[str, Any]]:
    """What each sensor measured in the window that decided."""
    rule = next(rule for rule in rules.rules if rule.name == name)
    window_ns = _deciding(rule, told, found)
    if window_ns is None or rule.measure not in rows.column_names:
        return []
    time_ns = times_of(rows[layout.time])
    inside = (time_ns >= window_ns[0]) & (time_ns < window_ns[1])
    window = rows.filter(pa.array(inside))
    window = window.set_column(
        window.column_names.index(rule.measure), rule.measure, window[rule.measure].cast(pa.float64())
    )
    names = [*layout.dimensions]
    sums = window.group_by(names).aggregate([(rule.measure, kind) for kind in ("count", "mean", "min", "max")])
    return [_peer(row, names, rule.measure) for row in sums.to_pylist()[:MOST_SHOWN] if row[f"{rule.measure}_count"]]


def _peer(row: Mapping[str, Any], names: Sequence[str], measure: str) -> dict[str, Any]:
    return {
        "dimensions": {name: row[name] for name in names if row[name] is not None},
        "samples": row[f"{measure}_count"],
        "average": row[f"{measure}_mean"],
        "min": row[f"{measure}_min"],
        "max": row[f"{measure}_max"],
    }
