"""The saved form of `rules.silence.of_table`: parts of `rules.saved.state`.

A hearing has one element per key of the block, in their order. The state of a rule is in the arrays of its judge; what
has an alert is in its alerts, too, so that its alerts can be resolved when nobody reads these arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
import numpy as np

from rules.errors import RuleSnapshotError
from rules.saved.snapshot import facts_of
from rules.saved.state import AlertState, RuleState, SavedClock, SavedHearing, SavedJudge
from rules.silence.hearing import Hearing
from rules.silence.of_table import Silences
from rules.silence.watch import SilenceWatch
from rules.silence.zones import Group
from rules.values.arrays import NEVER, Indices, packed, unpacked
from rules.values.listening import ListeningClock
from store.values.times import NS

VERSION = 1
_GROUPS = msgspec.msgpack.Decoder(list[tuple[str | None, int, int, bool]])


def saved_clock(clock: ListeningClock) -> SavedClock:
    """The clock."""
    return SavedClock(clock.complete_ns, clock.listened_ns, dict(clock.upto_ns), list(clock.gaps))


def clock_of(saved: SavedClock) -> ListeningClock:
    """A saved clock."""
    return ListeningClock(saved.complete_ns, saved.listened_ns, dict(saved.upto_ns), list(saved.gaps))


def saved_hearings(silences: Silences, size: int) -> dict[str, SavedHearing]:
    """By measure, what was heard of the first `size` series."""
    return {measure: _saved_hearing(ear.hearing, size) for measure, ear in silences.ears.items()}


def saved_rules(silences: Silences) -> Iterator[tuple[str, RuleState]]:
    """Each rule by its definition."""
    for _, watch in silences.watches:
        firing = watch.firing()
        count = len(firing)
        yield (
            watch.rule.definition,
            RuleState(
                facts_of(watch.rule),
                [(key.measure_name, key.dimensions) for key, _, _ in firing],
                [],
                AlertState(
                    packed(np.arange(count), np.uint32),
                    packed(np.zeros(count), np.int8),
                    packed(np.array([since_ns for _, since_ns, _ in firing], np.int64), np.int64),
                    packed(np.ones(count), np.int8),
                    packed(np.array([limit_ns / NS for _, _, limit_ns in firing], np.float64), np.float64),
                ),
                SavedJudge(VERSION, _arrays_of(watch)),
            ),
        )


def restore_silences(
    silences: Silences,
    hearings: Mapping[str, SavedHearing],
    rules: Mapping[str, RuleState],
    ids: Indices,
) -> None:
    """Restore all of it; `ids` are the series by their saved index. Raises RuleSnapshotError."""
    for measure, ear in silences.ears.items():
        saved = hearings.get(measure)
        if saved is not None:
            _restore_hearing(ear.hearing, saved, ids)
    for _, watch in silences.watches:
        state = rules.get(watch.rule.definition)
        if state is not None and state.judge is not None:
            try:
                _restore_watch(watch, state.judge, ids)
            except (KeyError, IndexError, ValueError, msgspec.MsgspecError) as error:
                raise RuleSnapshotError(f"the state of the rule {watch.rule.name} is not whole: {error!r}") from error


def _saved_hearing(hearing: Hearing, size: int) -> SavedHearing:
    learnt = (packed(hearing.gap_ns[:size], np.int64), hearing.gaps[:size].tobytes()) if hearing.learns else (b"", b"")
    return SavedHearing(packed(hearing.time_ns[:size], np.int64), packed(hearing.arrival_ns[:size], np.int64), *learnt)


def _restore_hearing(hearing: Hearing, saved: SavedHearing, ids: Indices) -> None:
    try:
        hearing.time_ns[ids] = unpacked(saved.time_ns, np.int64)
        hearing.arrival_ns[ids] = unpacked(saved.arrival_ns, np.int64)
        if hearing.learns and saved.gaps:
            hearing.gap_ns[ids] = unpacked(saved.gap_ns, np.int64)
            hearing.gaps[ids] = np.frombuffer(saved.gaps, np.uint8)
    except ValueError as error:
        raise RuleSnapshotError(f"what was heard is not whole: {error}") from error


def _arrays_of(watch: SilenceWatch) -> dict[str, bytes]:
    state, not_before_ns = watch.state, watch.not_before_ns
    series = np.flatnonzero((state != 0) | (not_before_ns != NEVER))
    groups = [
        (watch.zones.name_of(number), of.since_ns, of.limit_ns, of.is_silent)
        for number, of in watch.zones.groups.items()
    ]
    return {
        "began": packed(np.array([watch.began_ns, watch.began_time_ns]), np.int64),
        "series": packed(series, np.uint32),
        "state": packed(state[series], np.int8),
        "not_before": packed(not_before_ns[series], np.int64),
        "expected": packed(watch.expected.state, np.int8),
        "groups": msgspec.msgpack.encode(groups),
    }


def _restore_watch(watch: SilenceWatch, saved: SavedJudge, ids: Indices) -> None:
    if saved.version != VERSION:
        raise ValueError(f"version {saved.version}; this program reads {VERSION}")
    arrays = saved.arrays
    watch.began_ns, watch.began_time_ns = unpacked(arrays["began"], np.int64).tolist()
    series = ids[unpacked(arrays["series"], np.uint32)]
    watch.state[series] = unpacked(arrays["state"], np.int8)
    watch.not_before_ns[series] = unpacked(arrays["not_before"], np.int64)
    watch.expected.state[:] = unpacked(arrays["expected"], np.int8)
    for zone, since_ns, limit_ns, is_silent in _GROUPS.decode(arrays["groups"]):
        watch.zones.groups[watch.zones.number_of(zone)] = Group(since_ns, limit_ns, is_silent)
