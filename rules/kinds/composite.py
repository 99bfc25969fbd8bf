"""`composite`: other rules of its group fire together, for the same device or zone.

    composite: {of: TooHot and (SoilDry or PumpOff) and not Maintenance, within: 5m}

A rule fires for a device while it has an alert with the dimensions of the device, or one of a zone, or of a group of
series, that the device belongs to. With `by: zone` it fires for a zone while it has any alert there. With `within` it
counts for so long after its alert resolved. The value is 1 while the condition holds, else 0.

What happens at one place in the log is taken together. Time is that of arrival, and `within` is counted on the clock of
our listening (`rules.values.listening`), so nothing ends while we do not listen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from typing import NamedTuple

import msgspec
import numpy as np

from rules.definition.bounds import Bounds
from rules.definition.document import Problems, read_parsed
from rules.definition.keys import DURATION, Form, Key, Section, choice
from rules.definition.selection import ZONE_NAME, Selection
from rules.kinds.judging import Active, Ids, Inputs, Judge, Judged
from rules.kinds.kind import Kind, OnNoSamples
from rules.kinds.logic import Logic, parse_logic
from rules.kinds.zone import zone_key
from rules.values.arrays import NEVER, Arrays, Indices
from store.record import SeriesIndex, SeriesKey
from store.values.durations import duration_ns
from store.values.yaml_text import Node

DEVICE, ZONE = "device", "zone"

Pairs = frozenset[tuple[str, str]]
"""The dimensions of an alert."""


@dataclass(frozen=True, slots=True)
class Composite(OnNoSamples):
    """The value says whether a condition over other rules holds.

    definitions  those of its rules, by their names; a rule is changed if one of its rules is
    wide         the rules whose alerts are about groups of devices
    """

    of: Logic
    by: str = DEVICE
    within: timedelta = timedelta(0)
    definitions: Mapping[str, str] = field(default_factory=dict)
    wide: frozenset[str] = frozenset()

    @property
    def bounds(self) -> Bounds:
        """It fires while the condition holds."""
        return Bounds(max=0)

    @property
    def facts(self) -> tuple[object, ...]:
        """Everything."""
        return "composite", self.of.text, self.by, duration_ns(self.within), sorted(self.definitions.items())

    def build(self, measure: str, index: SeriesIndex, /) -> Judge:  # noqa: ARG002  # of no kind of samples
        """A judge that keeps which of its rules fire for whom."""
        return CompositeJudge(self, index)


_Value = tuple[int, int, int, float, str]
"""Row, subject, time, value, and the rules that fire."""


class Turned(NamedTuple):
    """A rule began or ceased to fire, at a row of the batch or (-1) a tick: the dimensions and zone of its alert."""

    row: int
    rule: str
    pairs: Pairs
    zone: str | None
    is_over: bool


class Moment(NamedTuple):
    """When a row arrived, or a tick was: by the host's clock, and on the listening clock."""

    arrival_ns: int
    listened_ns: int


@dataclass(slots=True)
class Firing:
    """The alerts of one rule.

    own      by subject, the alerts that are about it, or in it
    wide     those about groups of devices
    over_ns  when the last one ended for a subject, on the listening clock
    """

    own: dict[int, set[Pairs]] = field(default_factory=dict)
    wide: set[Pairs] = field(default_factory=set)
    over_ns: dict[int, int] = field(default_factory=dict)


class CompositeJudge:
    """Whether the condition holds for each subject. It is given no samples, but what other rules do (`turn`)."""

    version = 1

    def __init__(self, composite: Composite, index: SeriesIndex) -> None:
        self.subjects = SeriesIndex(index.table)
        self._composite = composite
        self._within_ns = duration_ns(composite.within)
        self._firing = {name: Firing() for name in composite.of.names}
        self._due_ns: dict[int, int] = {}  # by subject, when something that counts ends, on the listening clock

    def grow(self, size: int) -> None:
        """Nothing is kept of series."""

    def evaluate(self, inputs: Inputs, selection: Selection) -> Judged | None:  # noqa: ARG002  # see `turn`
        """None: samples say nothing."""
        return None

    def tick(self, now_ns: int, active: Active) -> Judged | None:  # noqa: ARG002  # see `pass_time`
        """None: it is asked after all others."""
        return None

    def subjects_of(self, series: Indices) -> Sequence[Indices]:  # noqa: ARG002  # as above
        """None."""
        return ()

    def turn(self, turns: Sequence[Turned], moments: Mapping[int, Moment]) -> Judged | None:
        """The values after these turns, which are in the order of the log, at each row that has any."""
        found: list[_Value] = []
        for row, at_row in groupby(turns, lambda turned: turned.row):
            touched = {subject: None for turned in at_row for subject in self._take(turned, moments[row])}
            found += self._values(row, touched, moments[row])
        return _judged(found)

    def pass_time(self, moment: Moment, active: Iterable[int]) -> Judged | None:
        """The values at a tick of those subjects for which something ends, and of those that are active."""
        due = [subject for subject, at_ns in self._due_ns.items() if at_ns <= moment.listened_ns]
        for subject in due:
            self._plan(subject, moment.listened_ns)
        return _judged(self._values(-1, sorted({*due, *active}), moment))

    def resume(self, turns: Iterable[Turned], now: Moment) -> None:
        """Take over what its rules have done before it was there; it is decided at the next tick."""
        for turned in turns:
            self._due_ns.update(dict.fromkeys(self._take(turned, now), NEVER))

    def _values(self, row: int, subjects: Iterable[int], moment: Moment) -> list[_Value]:
        found = []
        for one in subjects:
            fires = {name: self._fires(firing, one, moment.listened_ns) for name, firing in self._firing.items()}
            told = ", ".join(name for name, is_firing in fires.items() if is_firing)
            found.append((row, one, moment.arrival_ns, float(self._composite.of.of(fires)), told))
        return found

    def _take(self, turned: Turned, moment: Moment) -> list[int]:
        """Note a turn; returns the subjects for which it may change something."""
        firing, pairs = self._firing[turned.rule], turned.pairs
        subject = self._subject_of(turned)
        touched = [subject] if subject is not None else self._members(pairs)
        if subject is None:
            (firing.wide.discard if turned.is_over else firing.wide.add)(pairs)
        elif turned.is_over:
            firing.own.get(subject, set()).discard(pairs)
        else:
            firing.own.setdefault(subject, set()).add(pairs)
        if turned.is_over and self._within_ns:
            for one in touched:
                firing.over_ns[one] = moment.listened_ns
                self._plan(one, moment.listened_ns)
        return touched

    def _plan(self, subject: int, now_ns: int) -> None:
        """Find the next time at which a rule ceases to count for a subject."""
        over_ns = (firing.over_ns[subject] for firing in self._firing.values() if subject in firing.over_ns)
        ends = [end_ns for end_ns in (one + self._within_ns for one in over_ns) if end_ns > now_ns]
        if ends:
            self._due_ns[subject] = min(ends)
        else:
            self._due_ns.pop(subject, None)

    def _subject_of(self, turned: Turned) -> int | None:
        """The subject that an alert is about; None: it is about a group of them."""
        if self._composite.by == ZONE:
            if turned.zone is None:
                return None
            return self.subjects.id_of(zone_key(turned.zone), turned.zone)
        dimensions = dict(turned.pairs)
        if turned.rule in self._composite.wide or not dimensions or [*dimensions] == [ZONE_NAME]:
            return None
        return self.subjects.id_of(SeriesKey(tuple(sorted(turned.pairs)), ""), turned.zone)

    def _members(self, pairs: Pairs) -> list[int]:
        return [one for one in range(len(self.subjects)) if self._is_in(one, pairs)]

    def _is_in(self, subject: int, pairs: Pairs) -> bool:
        """Whether an alert with these dimensions is also about this subject."""
        key, zone = self.subjects.keys[subject], self.subjects.zones[subject]
        return pairs <= {*key.dimensions, (ZONE_NAME, zone or "")}

    def _fires(self, firing: Firing, subject: int, now_ns: int) -> bool:
        if firing.own.get(subject) or any(self._is_in(subject, pairs) for pairs in firing.wide):
            return True
        return subject in firing.over_ns and firing.over_ns[subject] + self._within_ns > now_ns

    def snapshot(self) -> Arrays:
        """Which rules fire, and did until lately."""
        known = [
            _Saved(
                name,
                [(subject, [[*pairs] for pairs in alerts]) for subject, alerts in firing.own.items() if alerts],
                [[*pairs] for pairs in firing.wide],
                [*firing.over_ns.items()],
            )
            for name, firing in self._firing.items()
        ]
        return {"firing": msgspec.msgpack.encode(known), "zones": msgspec.msgpack.encode(self.subjects.zones)}

    def restore(self, arrays: Arrays, ids: Ids) -> None:
        """Restore what was saved."""
        subjects = ids.subjects.tolist()
        for subject, zone in zip(subjects, _zones_decoder.decode(arrays["zones"]), strict=True):
            self.subjects.id_of(self.subjects.keys[subject], zone)
        for saved in _decoder.decode(arrays["firing"]):
            self._firing[saved.name] = Firing(
                {subjects[one]: {frozenset(pairs) for pairs in alerts} for one, alerts in saved.own},
                {frozenset(pairs) for pairs in saved.wide},
                {subjects[one]: over_ns for one, over_ns in saved.over_ns},
            )
        self._due_ns = dict.fromkeys(subjects, NEVER)


_Alert = list[tuple[str, str]]


class _Saved(msgspec.Struct, array_like=True):
    name: str
    own: list[tuple[int, list[_Alert]]]
    wide: list[_Alert]
    over_ns: list[tuple[int, int]]


_decoder = msgspec.msgpack.Decoder(list[_Saved])
_zones_decoder = msgspec.msgpack.Decoder(list[str | None])


def _judged(found: Sequence[_Value]) -> Judged | None:
    if not found:
        return None
    row, subject, time_ns, value, _ = zip(*found, strict=True)
    return Judged(
        *(np.array(row, np.intp), np.array(subject, np.intp), np.array(time_ns, np.int64), np.array(value), None),
        repeats=True,
        facts={(one, at_ns): {"rules": told} for _, one, at_ns, _, told in found},
    )


def _read_logic(node: Node, what: str, problems: Problems) -> Logic | None:
    return read_parsed(node, what, problems, parse_logic, wrong="{what} {error}")


def _make(section: Section) -> Composite:
    return Composite(section.get("of"), section.get("by", DEVICE), section.get("within", timedelta(0)))


KIND = Kind(
    "composite",
    "other rules of the group that fire together",
    (
        Key("of", Form(_read_logic, {"type": "string"}), "names of rules, and, or, not, parentheses", is_needed=True),
        Key("by", choice(DEVICE, ZONE), "for whom they fire together; a device by default"),
        Key("within", DURATION, "for how long a rule counts after its alert resolved; 0s by default"),
    ),
    _make,
    measure="composite",
    is_sampled=False,
    names=("rules",),
    without=("clear", "no_data", "lateness", "where"),
)
