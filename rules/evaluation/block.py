"""All rules over one table: the unit of rule state, which is saved and restored as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter

import msgspec
import numpy as np

from rules.alerts import absence
from rules.alerts.absence import absence_key
from rules.alerts.alert import Alert
from rules.alerts.flood import Floods, Placed
from rules.alerts.raised import Event, Turn
from rules.alerts.transition import Status, Transition
from rules.definition.selection import ZONE_NAME
from rules.errors import RuleSnapshotError
from rules.evaluation.compositions import compositions
from rules.evaluation.lane import Found, Lane
from rules.evaluation.lateness import WaitingLane
from rules.evaluation.watch import Watch
from rules.kinds.feedback import Adjustable, Mark
from rules.kinds.judging import Ids
from rules.kinds.kind import Judging
from rules.rule import Rule
from rules.rule_warnings import Work
from rules.saved.snapshot import PackedKeys, encode_state, facts_of
from rules.saved.state import BlockState, RuleState, SavedJudge, keys_of
from rules.silence.of_table import Silences
from rules.silence.state import clock_of, restore_silences, saved_clock, saved_hearings, saved_rules
from rules.values.arrays import Arrays, Indices
from rules.values.listening import Listened, ListeningClock
from store.record import RecordBatch, SeriesIndex, SeriesKey


class Block:
    """The rules of one table and their state.

    positions   per stream, the last offset up to which everything has been evaluated here
    """

    def __init__(self, rules: Sequence[Rule], index: SeriesIndex, clock: ListeningClock) -> None:
        self.index = index
        self.positions: dict[str, int] = {}
        self.clock = clock.copy()
        self._keys = PackedKeys()
        self._size = 0  # the number of series that the arrays have room for
        self._rezoned = index.rezoned
        self._newest: Indices = np.empty(0, np.intp)  # scratch: the last row of each series in a batch
        self._watches = tuple(
            (place, Watch(rule, rule.condition, index))
            for place, rule in enumerate(rules)
            if isinstance(rule.condition, Judging)
        )
        self._compositions = compositions(self._watches)
        self.silences = Silences(rules, index, self.clock)
        self.floods = Floods(rules, index.table)
        self._lane, self._waiting = _lanes_of(self._watches, index)
        self._lanes: tuple[Lane | WaitingLane, ...] = (self._lane, *self._waiting)

    def advance(self, partition: str, offset: int) -> None:
        """Everything up to and including `offset` has been evaluated."""
        self.positions[partition] = max(offset, self.positions.get(partition, -1))

    def evaluate(self, batch: RecordBatch, after: int) -> list[Transition]:
        """The transitions caused by rows with offsets beyond `after`, in log order.

        For one row they are in the order of the rules.
        """
        start = int(np.searchsorted(batch.offset, after, side="right"))
        if start == len(batch):
            return []
        rows = np.arange(start, len(batch))
        series = batch.series[start:].astype(np.intp)
        self._grow(len(self.index))
        self._newest[series] = rows
        repeats = bool((self._newest[series] != rows).any())
        found: list[Placed] = []
        for lane in self._lanes:
            found += map(self._placed, lane.evaluate(batch, rows, series, self.clock, repeats=repeats))
        found += self.silences.hear(batch, rows, series, self.clock, repeats=repeats)
        return self._told(found, lambda row: int(batch.arrival_ns[row]))

    def forget(self, dimensions: Mapping[str, str], time_ns: int) -> list[Transition]:
        """The transitions if series with these dimensions, among others, are not missed any more."""
        self._grow(len(self.index))
        wanted = dimensions.items()
        series = [number for number, key in enumerate(self.index.keys) if wanted <= dict(key.dimensions).items()]
        return self._told(self.silences.forget(np.array(series, np.intp), time_ns), lambda _: time_ns)

    def mark(self, mark: Mark) -> None:
        """What an operator said of an alert counts from now on, if the bounds of its rule follow that."""
        watch = self.watch(mark.rule)
        if watch is not None and isinstance(watch.judge, Adjustable):
            watch.judge.feedback.take(mark)

    def tick(self, tick: Listened) -> list[Transition]:
        """The transitions caused by time, in the order of the rules."""
        self._grow(len(self.index))
        self.clock.take(tick)
        now_ns = self.clock.complete_ns
        found = [self._placed(one) for lane in self._lanes for one in lane.tick(self.clock)]
        found += self.silences.tick(self.clock)
        return self._told(found, lambda _: now_ns, is_tick=True) + self.floods.tick(now_ns)

    def snapshot(self, positions: dict[str, int]) -> bytes:
        """The state in the form of `rules.saved.state`, valid for `positions`."""
        size = len(self.index)
        self._grow(size)
        lanes = {lane.name: lane.snapshot(size) for lane in self._waiting}
        rules = {watch.rule.definition: _state_of(watch) for _, watch in self._watches}
        rules.update(saved_rules(self.silences))
        for definition, flood in self.floods.snapshot().items():
            rules[definition] = msgspec.structs.replace(rules[definition], flood=flood)
        keys = self._keys.first(self.index.keys, size)
        hearings = saved_hearings(self.silences, size)
        return encode_state(positions, keys, self._lane.snapshot(size), rules, hearings, saved_clock(self.clock), lanes)

    def restore(self, state: BlockState) -> None:
        """Restore a saved state, into a block that has evaluated nothing. Raises RuleSnapshotError."""
        ids = np.array([self.index.id_of(key) for key in state.series_keys()], np.intp)
        self._grow(len(self.index))
        self._restore_lanes(state, ids)
        for _, watch in self._watches:
            saved = state.rules.get(watch.rule.definition)
            if saved is not None:
                _restore(watch, saved, ids)
        if state.clock is not None:
            self.clock = clock_of(state.clock)
        self.floods.restore(state.rules)
        restore_silences(self.silences, state.hearings, state.rules, ids)
        for composition in self._compositions:
            if composition.watch.rule.definition not in state.rules:
                composition.resume((*self._firing(), *self.silences.firing()), self.clock)
        self.positions = dict(state.positions)

    def _restore_lanes(self, state: BlockState, ids: Indices) -> None:
        self._lane.restore(state.signals, ids)
        for lane in self._waiting:
            saved = state.lanes.get(lane.name)
            try:
                if saved is not None:
                    lane.restore(saved, ids)
            except (KeyError, IndexError, ValueError) as error:
                raise RuleSnapshotError(f"rows that wait for lateness are not whole: {error!r}") from error

    def watch(self, rule: str) -> Watch | None:
        """The rule of this name, unless it is one of silence."""
        return next((watch for _, watch in self._watches if watch.rule.name == rule), None)

    def watches(self) -> Iterator[Watch]:
        """All rules but those of silence."""
        return (watch for _, watch in self._watches)

    def work(self, now_ns: int) -> Iterator[tuple[Rule, Work, int, int]]:
        """For each rule: what it has done, and how many of its subjects are pending and firing."""
        suppressed = self.floods.suppressed()
        for _, watch in self._watches:
            lane = self._lane_of(watch)
            signals = lane.signals_of(watch)
            work = watch.work(None if signals is None else signals.time_ns, now_ns)
            more = Work(suppressed=suppressed.get(watch.rule.name, 0), late=lane.late)
            yield watch.rule, work + more, *watch.counts()
        for rule, firing in self.silences.counts():
            yield rule, Work(suppressed=suppressed.get(rule.name, 0)), 0, firing

    def active(self) -> Iterator[tuple[Watch, int, int, float | None]]:
        """All pending and firing subjects: the watch, the subject, its onset, and the newest value of a signal."""
        for _, watch in self._watches:
            signals = self._lane_of(watch).signals_of(watch)
            onsets = {subject: watch.onset_ns(subject) for subject in watch.pending()}
            onsets |= {subject: raised.onset_ns for subject, raised in watch.raised.items()}
            for subject, onset_ns in sorted(onsets.items()):
                yield watch, subject, onset_ns, None if signals is None else float(signals.value[subject])

    def _firing(self) -> Iterator[tuple[str, SeriesKey, str | None]]:
        """All alerts of values and of absence: rule, key, zone."""
        for _, watch in self._watches:
            for subject in watch.firing():
                yield watch.rule.name, watch.subjects.keys[subject], watch.subjects.zones[subject]

    def _lane_of(self, watch: Watch) -> Lane | WaitingLane:
        return next(lane for lane in self._lanes if any(one is watch for _, one in lane.watches))

    def _grow(self, size: int) -> None:
        """Make room in every array for the series ids below `size`."""
        if size == self._size and self.index.rezoned == self._rezoned:
            return
        self._rezoned = self.index.rezoned
        self._size = size
        if size > len(self._newest):
            self._newest = np.empty(size + size // 4 + 16, np.intp)
        for lane in self._lanes:
            lane.grow(size)
        for _, watch in self._watches:
            watch.grow(size)
        self.silences.grow(size)

    def _told(self, found: list[Placed], at_ns: Callable[[int], int], *, is_tick: bool = False) -> list[Transition]:
        """What is told of `found`, and of the rules that are composed of these; `at_ns` is when a row arrived."""
        found.sort(key=attrgetter("order"))
        for composition in self._compositions:
            events = composition.follow(found, at_ns, self.clock, is_tick=is_tick)
            if events:
                found += map(self._placed, events)
                found.sort(key=attrgetter("order"))
        return self.floods.told(found, at_ns)

    def _placed(self, found: Found) -> Placed:
        place, watch, event, value = found
        return Placed(event.row, place, self._transition(watch, event, value), event.turn is Turn.FIRED)

    def _transition(self, watch: Watch, event: Event, value: float | None) -> Transition:
        """What is told of an event."""
        rule, subjects = watch.rule, watch.subjects
        key, zone = subjects.keys[event.subject], subjects.zones[event.subject]
        about, bounds = (absence_key(key), {}) if event.bound is None else (key, dict((event.bound,)))
        alias = rule.condition.alias
        facts = {**event.facts, alias: value} if alias and value is not None else event.facts
        status = Status.RESOLVED if event.turn is Turn.OVER else Status.FIRING
        alert = Alert(rule, self.index.table, about, zone, event.onset_ns, rule.labels_at(event.level))
        explanation = event.facts if rule.condition.explains else {}
        return alert.turn(
            *(status, event.time_ns, value, bounds), facts=facts, explanation=explanation, reason=event.reason
        )


def _state_of(watch: Watch) -> RuleState:
    judge, arrays = watch.judge, watch.judge.snapshot()
    return RuleState(
        facts_of(watch.rule),
        None if watch.is_of_series else [(key.measure_name, key.dimensions) for key in watch.subjects.keys],
        [level.snapshot() for level in watch.levels],
        watch.raised.snapshot(),
        SavedJudge(judge.version, dict(arrays)) if arrays else None,
        None if watch.readings is None else SavedJudge(absence.VERSION, dict(watch.readings.snapshot())),
    )


def _restore(watch: Watch, saved: RuleState, ids: Indices) -> None:
    """Restore a rule; `ids` are the series by their saved index."""
    if saved.subjects is not None:
        subjects = watch.subjects
        ids_of = [subjects.id_of(key, dict(key.dimensions).get(ZONE_NAME)) for key in keys_of(saved.subjects)]
        subject_ids = np.array(ids_of, np.intp)
    else:
        subject_ids = ids
    if saved.judge is not None:
        _restore_part(watch, saved.judge, watch.judge.version, partial(watch.judge.restore, ids=Ids(ids, subject_ids)))
    for level, state in zip(watch.levels, saved.levels, strict=True):
        level.grow(len(watch.subjects))
        level.restore(state, subject_ids)
    watch.raised.restore(saved.alerts, subject_ids)
    if watch.readings is not None and saved.no_data is not None:
        watch.readings.grow(len(watch.subjects))
        _restore_part(watch, saved.no_data, absence.VERSION, partial(watch.readings.restore, ids=subject_ids))


def _restore_part(watch: Watch, saved: SavedJudge, version: int, restore: Callable[[Arrays], None]) -> None:
    if saved.version != version:
        told = f"version {saved.version} of its kind; this program reads {version}"
        raise RuleSnapshotError(f"the state of rule {watch.rule.name} is of {told}")
    try:
        restore(saved.arrays)
    except (KeyError, IndexError, ValueError) as error:
        raise RuleSnapshotError(f"the state of rule {watch.rule.name} is not of its kind: {error!r}") from error


def _lanes_of(watches: Sequence[tuple[int, Watch]], index: SeriesIndex) -> tuple[Lane, list[WaitingLane]]:
    """The lane of rules without `lateness`, and those of others."""
    by: dict[tuple[int, tuple[str, ...] | None], list[tuple[int, Watch]]] = {(0, None): []}
    for place, watch in watches:
        late_ns, unit = watch.rule.lateness_ns, watch.rule.condition.together
        by.setdefault((late_ns, unit) if late_ns else (0, None), []).append((place, watch))
    (_, first), *others = by.items()
    return Lane(first, index), [WaitingLane(Lane(of, index), *key, index) for key, of in others]
