"""What fires beyond the cap of a rule (`max_alerts`) is counted in one alert, and not told itself.

The cap holds for each rule and account (and partition). Minutes, or hours, are whole ones by times of arrival, and
everything is decided in the order of the log, so a replay suppresses the same alerts:

- An alert that fires when as many have fired in its minute is suppressed: neither it nor what becomes of it is told.
- The first one raises the alert that the rule is *flooding*. Its value is how many were suppressed so far; it is told
  again after a minute in which that grew, and resolves after a whole minute in which nothing was suppressed.

A suppressed alert stays so until it resolves, also when the flood is over: it counts as firing, but nobody hears of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from rules.alerts.alert import Alert, Description
from rules.alerts.placeholders import Described
from rules.alerts.reason import Reason
from rules.alerts.transition import Status, Transition
from rules.definition.most_alerts import MostAlerts
from rules.definition.template import parse_template
from rules.rule import Rule
from rules.saved.state import FloodState, RuleState
from rules.values.arrays import NEVER
from store.record import SeriesKey, TableId

KEY = SeriesKey((), "flooding")
"""What the alert of a flood is about: the rule as a whole."""
_SUMMARY = parse_template("{rule} has fired more alerts than its max_alerts ({max_alerts}): {value} suppressed")


class Placed(NamedTuple):
    """What is told, at a row of the batch and a place among the rules of the table.

    is_new  whether an alert fires that did not; of no meaning for one that resolves
    """

    row: int
    place: int
    transition: Transition
    is_new: bool = True

    @property
    def order(self) -> tuple[object, ...]:
        """In which it is told, and counted: not that of the ids of series, which differ from process to process.

        What resolves is told before what fires, but not by the absence of readings, which follows the values of a tick:
        it may end what has just fired.
        """
        one = self.transition
        is_last = self.row < 0 and one.reason is Reason.NO_DATA
        rank = 1 if one.status is Status.FIRING else 2 if is_last else 0
        return self.row, self.place, one.time_ns, rank, one.id


class Flood:
    """The cap of one rule over one table. total: how many alerts were suppressed since the start."""

    def __init__(self, rule: Rule, most: MostAlerts, table: TableId) -> None:
        self.total = 0
        self._rule = rule
        self._most = most
        self._table = table
        self._span = self._last_span = NEVER  # the number of the newest one, and of that in which one was suppressed
        self._fired = 0  # in the newest
        self._since_ns = NEVER  # of the flood
        self._count = self._said = 0  # of the flood: how many were suppressed, and how many of them are told
        self._suppressed: set[str] = set()  # the ids of alerts that fire

    def told(self, placed: Placed, at_ns: int) -> Iterator[Transition]:
        """What is told instead; `at_ns` is a time of arrival."""
        one, span = placed.transition, at_ns // self._most.span_ns
        if span > self._span:
            self._span, self._fired = span, 0
        is_first = one.status is Status.FIRING and placed.is_new
        if is_first and self._fired >= self._most.count:
            yield from self._suppress(one, at_ns)
        elif one.id not in self._suppressed:
            self._fired += is_first
            yield one
        elif one.status is Status.RESOLVED:
            self._suppressed.remove(one.id)

    def _suppress(self, one: Transition, at_ns: int) -> Iterator[Transition]:
        self._suppressed.add(one.id)
        self._last_span = self._span
        self.total += 1
        self._count += 1
        if self._since_ns == NEVER:
            self._since_ns, self._said = at_ns, self._count
            yield self._alert(Status.FIRING, at_ns)

    def tick(self, now_ns: int) -> Iterator[Transition]:
        """What is told because time has passed; up to `now_ns` everything that arrived is known."""
        span = now_ns // self._most.span_ns
        if self._since_ns == NEVER or span <= self._last_span:
            return
        if span > self._last_span + 1:
            yield self._alert(Status.RESOLVED, now_ns)
            self._since_ns, self._count, self._said = NEVER, 0, 0
        elif self._said != self._count:
            self._said = self._count
            yield self._alert(Status.FIRING, now_ns)

    def snapshot(self) -> FloodState:
        """The saved form."""
        counts = (self._fired, self._count, self._said)
        return FloodState(
            self._span, self._last_span, self._since_ns, *counts, sorted(self._suppressed), self._most.count
        )

    def restore(self, saved: FloodState) -> None:
        """Restore a saved form."""
        self._span, self._last_span, self._since_ns = saved.span, saved.last_span, saved.since_ns
        self._fired, self._count, self._said = saved.fired, saved.count, saved.said
        self._suppressed = set(saved.suppressed)

    def _alert(self, status: Status, at_ns: int) -> Transition:
        rule = self._rule
        labels = rule.labels_at(len(rule.levels) - 1)
        return flood_alert(self._table, rule, labels, self.snapshot(), status, at_ns, Reason.FLOODING)


class Floods:
    """The caps of the rules of one table, by their place."""

    def __init__(self, rules: Sequence[Rule], table: TableId) -> None:
        self._of = {
            place: Flood(rule, rule.max_alerts, table)
            for place, rule in enumerate(rules)
            if rule.max_alerts is not None
        }
        self._rules = rules

    def told(self, found: Sequence[Placed], at_ns: Callable[[int], int]) -> list[Transition]:
        """What is told of `found`, which is in order; `at_ns` is the time of arrival of a row."""
        if not self._of:
            return [placed.transition for placed in found]
        told: list[Transition] = []
        for placed in found:
            flood = self._of.get(placed.place)
            told += (placed.transition,) if flood is None else flood.told(placed, at_ns(placed.row))
        return told

    def tick(self, now_ns: int) -> list[Transition]:
        """What is told because time has passed."""
        return [transition for flood in self._of.values() for transition in flood.tick(now_ns)]

    def suppressed(self) -> dict[str, int]:
        """By rule, how many alerts were suppressed since the start."""
        return {self._rules[place].name: flood.total for place, flood in self._of.items()}

    def snapshot(self) -> dict[str, FloodState]:
        """The saved forms, by the definition of the rule."""
        return {self._rules[place].definition: flood.snapshot() for place, flood in self._of.items()}

    def restore(self, saved: Mapping[str, RuleState]) -> None:
        """Restore what was saved with the states of these rules."""
        for place, flood in self._of.items():
            state = saved.get(self._rules[place].definition)
            if state is not None and state.flood is not None:
                flood.restore(state.flood)


def flood_alert(
    table: TableId,
    rule: Described,
    labels: Mapping[str, str],
    saved: FloodState,
    status: Status,
    at_ns: int,
    reason: Reason,
) -> Transition:
    """The alert of a flood, which has begun."""
    described = Description(rule.name, rule.measure, {"summary": _SUMMARY})
    alert = Alert(described, table, KEY, None, saved.since_ns, labels)
    return alert.turn(status, at_ns, saved.count, {"max": 0}, facts={"max_alerts": str(saved.most)}, reason=reason)
