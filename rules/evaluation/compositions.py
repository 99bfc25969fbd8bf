"""The composite rules of one table: what other rules do becomes what they do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rules.alerts.flood import Placed
from rules.alerts.transition import Status, Transition
from rules.evaluation.lane import Found
from rules.evaluation.watch import Watch
from rules.kinds.composite import Composite, CompositeJudge, Moment, Turned
from rules.rule import Rule
from rules.values.listening import ListeningClock
from store.record import SeriesKey


@dataclass(frozen=True, slots=True)
class Composition:
    """A composite rule with its place among the rules of the table; `parts`: by name, the alert of its group."""

    place: int
    watch: Watch
    judge: CompositeJudge
    parts: Mapping[str, str]

    def follow(
        self, found: Sequence[Placed], at_ns: Callable[[int], int], clock: ListeningClock, *, is_tick: bool
    ) -> list[Found]:
        """The events by what happens at rows of a batch, or at a tick; `found` is in order."""
        turns = [self._turned(placed.row, placed.transition) for placed in found if self._is_turn(placed)]
        moments = {row: moment_of(at_ns(row), clock, is_tick=is_tick) for row in {turned.row for turned in turns}}
        events = self.watch.follow(self.judge.turn(turns, moments)) if turns else []
        if is_tick:
            now = Moment(clock.complete_ns, clock.listened_ns)
            events += self.watch.follow(self.judge.pass_time(now, self.watch.active()))
        return [Found(self.place, self.watch, event, event.value) for event in events]

    def resume(self, firing: Iterable[tuple[str, SeriesKey, str | None]], clock: ListeningClock) -> None:
        """Begin with alerts that fire already."""
        turns = (
            Turned(-1, self.parts[rule], frozenset(key.dimensions), zone, is_over=False)
            for rule, key, zone in firing
            if rule in self.parts
        )
        self.judge.resume(turns, Moment(clock.complete_ns, clock.listened_ns))

    def _is_turn(self, placed: Placed) -> bool:
        is_over = placed.transition.status is Status.RESOLVED
        return placed.transition.rule in self.parts and (is_over or placed.is_new)

    def _turned(self, row: int, one: Transition) -> Turned:
        pairs = frozenset(one.dimensions.items())
        return Turned(row, self.parts[one.rule], pairs, one.zone, one.status is Status.RESOLVED)


def moment_of(arrival_ns: int, clock: ListeningClock, *, is_tick: bool) -> Moment:
    """When a row arrived, or a tick was."""
    listened_ns = clock.listened_ns if is_tick else clock.time_of(arrival_ns)
    return Moment(arrival_ns, listened_ns)


def compositions(watches: Sequence[tuple[int, Watch]]) -> list[Composition]:
    """Those of these watches, each after the ones that it is composed of."""
    found = {
        watch.rule.name: Composition(place, watch, watch.judge, _parts(watch.rule, watch.rule.condition))
        for place, watch in watches
        if isinstance(watch.judge, CompositeJudge) and isinstance(watch.rule.condition, Composite)
    }
    ordered: dict[str, Composition] = {}

    def add(name: str) -> None:
        if name in found and name not in ordered:
            for part in found[name].parts:
                add(part)
            ordered[name] = found[name]

    for name in found:
        add(name)
    return [*ordered.values()]


def _parts(rule: Rule, composite: Composite) -> dict[str, str]:
    return {f"{rule.group}/{alert}": alert for alert in composite.of.names}
