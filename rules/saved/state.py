"""The format of the saved rule state of one table: one MessagePack array.

    [format version, {stream: position}, [[measure name, [[dimension, value] …]] …], {measure: signals}, {rule: state},
     {measure: hearing}, clock, {lateness: lane}]

Series are identified by their keys and, in the arrays, by their index in the list of keys, because ids are valid only
within one process. Arrays are little-endian bytes. Signals are [times (i8), values (f8), marks]: one time and value per
key, and the marks [series (u4), ahead (i8), sound (i8)] of those that have any (`rules.values.ahead`).

The key of a rule's state is the hash of its definition, so that a changed rule starts without state and all others keep
theirs. It is [facts, subjects, levels, alerts, judge, no_data, flood]: the facts describe its alerts for when the rule
does not exist any more; subjects are keys in the form of series, nil if the series of the table are its subjects; the
judge's own state is [version, {name: array}], nil if it has none, and so is what `rules.alerts.absence` knows of
readings. The arrays of levels and alerts are of those subjects that are pending or firing. Each of these lists may
become longer: what an older program did not save is as if it were empty.

At the end is what rules of the kind `missing` need (`rules.silence.state`): {measure: what was heard of it}; and the
clock of our listening. Rules with `lateness` have signals of their own, with the rows that wait.

Format version 1 (`rules.saved.snapshot_1`) is read and becomes this.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from store.record import Dimensions, SeriesKey

FORMAT_VERSION = 2


class MarkState(msgspec.Struct, array_like=True, frozen=True):
    """The signals of one measure that had a sample ahead of its time."""

    series: bytes = b""
    ahead_ns: bytes = b""
    sound_ns: bytes = b""


class SignalState(msgspec.Struct, array_like=True, frozen=True):
    """The newest sample of each signal of one measure, in the order of the keys."""

    time_ns: bytes
    value: bytes
    marks: MarkState = MarkState()


class PhaseState(msgspec.Struct, array_like=True, frozen=True):
    """The subjects of one level of a rule that are pending or firing; the arrays that this level needs no value of are
    empty.

    fired_subject, fired_ns   the newest firings of damped subjects
    """

    subject: bytes = b""
    phase: bytes = b""
    onset_ns: bytes = b""
    count: bytes = b""
    clear_ns: bytes = b""
    normal_ns: bytes = b""
    fired_subject: bytes = b""
    fired_ns: bytes = b""


class AlertState(msgspec.Struct, array_like=True, frozen=True):
    """The firing alerts of one rule, a row for each level that fires: subject (u4), level (i1), onset of the alert
    (i8), whether `max` was exceeded (i1), that bound (f8).
    """

    subject: bytes = b""
    level: bytes = b""
    onset_ns: bytes = b""
    is_max: bytes = b""
    bound: bytes = b""


class RuleFacts(msgspec.Struct, array_like=True, frozen=True):
    """The description of a rule in its alerts."""

    name: str
    measure: str
    is_measured: bool
    levels: list[str]
    labels: dict[str, str]
    annotations: dict[str, str]


class SavedJudge(msgspec.Struct, array_like=True, frozen=True):
    """The state of a judge, in the format of its kind."""

    version: int
    arrays: dict[str, bytes]


class FloodState(msgspec.Struct, array_like=True, frozen=True):
    """The cap on the alerts of one rule (`rules.alerts.flood`).

    span, last_span  the numbers of the newest span, and of that in which an alert was suppressed last
    since_ns         since when it floods
    fired            how many alerts fired in the newest span
    count, said      how many were suppressed in this flood, and how many of these are told
    suppressed       the ids of those that fire
    most             the cap
    """

    span: int
    last_span: int
    since_ns: int
    fired: int
    count: int
    said: int
    suppressed: list[str]
    most: int


class RuleState(msgspec.Struct, array_like=True, frozen=True):
    """The state of one rule; its levels from the least severe."""

    facts: RuleFacts | None = None
    subjects: list[tuple[str, Dimensions]] | None = None
    levels: list[PhaseState] = []
    alerts: AlertState = AlertState()
    judge: SavedJudge | None = None
    no_data: SavedJudge | None = None
    flood: FloodState | None = None


class SavedHearing(msgspec.Struct, array_like=True, frozen=True):
    """When each series was heard last: times on the listening clock (i8), arrivals (i8), usual gaps (i8) and how many
    were learnt (u1); the last two are empty if nothing is learnt.
    """

    time_ns: bytes
    arrival_ns: bytes
    gap_ns: bytes = b""
    gaps: bytes = b""


class SavedClock(msgspec.Struct, array_like=True, frozen=True):
    """A `rules.values.listening.ListeningClock`."""

    complete_ns: int
    listened_ns: int
    upto_ns: dict[str, int]
    gaps: list[tuple[int, int]]


class LaneState(msgspec.Struct, array_like=True, frozen=True):
    """The rules of one `lateness` (`rules.evaluation.lateness`).

    signals   as those of the block
    units     keys of what waits together; with the times of the newest row, of the mark, and when it was heard (i8)
    held      the rows that wait: arrays by name
    whole     the measures that are whole numbers
    """

    signals: dict[str, SignalState]
    units: list[tuple[str, Dimensions]]
    newest_ns: bytes
    mark_ns: bytes
    heard_ns: bytes
    held: dict[str, bytes]
    whole: list[str]


class BlockState(msgspec.Struct, array_like=True, frozen=True):
    """The state of all rules of one table."""

    format_version: int
    positions: dict[str, int]
    keys: list[tuple[str, Dimensions]]
    signals: dict[str, SignalState]
    rules: dict[str, RuleState]
    hearings: dict[str, SavedHearing] = {}
    clock: SavedClock | None = None
    lanes: dict[str, LaneState] = {}

    def series_keys(self) -> list[SeriesKey]:
        """The keys in the form used within a process."""
        return keys_of(self.keys)

    def subject_keys(self, rule: RuleState) -> list[SeriesKey]:
        """The keys of the subjects of a rule."""
        return self.series_keys() if rule.subjects is None else keys_of(rule.subjects)


def keys_of(saved: Sequence[tuple[str, Dimensions]]) -> list[SeriesKey]:
    """Saved keys in the form used within a process."""
    return [SeriesKey(dimensions, measure_name) for measure_name, dimensions in saved]
