"""`detector`: values that are unusual for their signal, without bounds that anybody writes (`rules.detectors`).

    detector: auto
    detector: {every: 1m, budget: 1/day per 1000 series, time_zone: Europe/Berlin}

The samples of each signal are averaged over windows of event time as long as `every` (`rules.kinds.windows`); a
window of a zone is judged as it closes, at its end. Where a zone has at least 4 series, their distances from its median
are judged, and a series without a sample in the window of its zone is missing. A zone that gains its
fourth series, or loses it, is learnt anew.

With `counter: true` the averages are of how fast the values grow (`rules.detectors.counters`).

The value is -log10 p: 6 is one in a million. Its bound follows from `budget`, the false alerts that are accepted: a
signal is judged `1 day / every` times a day, so with 1 a day per 1000 series and `every: 1m` it is 6.16. It
follows what operators say of alerts (`rules.kinds.feedback`). Values count
from 200 windows on. What is unusual is not learnt, until it has lasted for 500 windows; then it is normal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from rules.definition.bounds import Bounds
from rules.definition.document import Problems, read_text
from rules.definition.keys import BOOLEAN, SPAN, TIME_ZONE, Form, Key, Section, choice
from rules.definition.selection import ZONE_NAME, Selection
from rules.detectors.auto import FEATURES, Auto
from rules.detectors.counters import increase_per_s
from rules.detectors.peers import ALONE, AT_LEAST
from rules.kinds.feedback import Feedback
from rules.kinds.judging import Active, Facts, Ids, Inputs, Judge, Judged
from rules.kinds.kind import Kind, OnMeasure
from rules.kinds.standing import Standing
from rules.kinds.windows import Window, ZoneWindows
from rules.values.arrays import Arrays, Float64s, Indices, grown, packed, unpacked
from rules.values.samples import Samples
from store.record import SeriesIndex
from store.values.durations import duration_ns
from store.values.time_zones import UTC

EVERY = timedelta(minutes=1)
BUDGET = 1 / 1000
METHODS = ("auto",)
NOT_NUMBERS = "send states as numbers (0 and 1), for the kinds `range`, `count` and `flatline`"
_DAY_S = 86_400
_BUDGET = re.compile(r"([0-9]*\.?[0-9]+)/day per ([1-9][0-9]*) series")
_TOLD = 2.0  # values from here on have facts; others are no part of an alert
_NEW, _BY_ITSELF, _BESIDE_PEERS = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Detector(OnMeasure):
    """The value is -log10 p.

    budget     false alerts per series and day
    time_zone  by whose clock days are learnt
    counter    samples only grow, until they are reset
    """

    every: timedelta = EVERY
    budget: float = BUDGET
    time_zone: str = UTC
    counter: bool = False

    @property
    def bounds(self) -> Bounds:
        """What may be exceeded as often as the budget says."""
        return Bounds(max=-math.log10(self.budget * self.every.total_seconds() / _DAY_S))

    @property
    def facts(self) -> tuple[object, ...]:
        """Everything; a default that came later is left out, so that rules of before keep their state."""
        later = (("time_zone", self.time_zone, UTC), ("counter", self.counter, False))
        changed = [(name, value) for name, value, default in later if value != default]
        return "detector", "auto", duration_ns(self.every), self.budget, *changed

    @property
    def explains(self) -> bool:
        """Yes: what was learnt before cannot be had from rows of a short time."""
        return True

    @property
    def together(self) -> tuple[str, ...]:
        """The zone, whose windows close together."""
        return (ZONE_NAME,)

    def build(self, measure: str, index: SeriesIndex) -> Judge:
        """A judge that keeps what is usual for each signal."""
        return DetectorJudge(measure, index, self)


class DetectorJudge:
    """How unusual the averages of each signal are."""

    version = 2

    def __init__(self, measure: str, index: SeriesIndex, detector: Detector) -> None:
        self.subjects = index
        self.feedback = Feedback()
        self._measure, self._is_counter = measure, detector.counter
        self._windows = ZoneWindows(measure, index, duration_ns(detector.every))
        self.bound = detector.bounds.max
        self._auto = Auto(log_p=-self.bound * math.log(10), time_zone=detector.time_zone)
        self._mode: npt.NDArray[np.uint8] = np.empty(0, np.uint8)

    def grow(self, size: int) -> None:
        """Make room for series ids below `size`."""
        self._windows.grow(size)
        self._auto.grow(size)
        self._mode = grown(self._mode, size, _NEW)

    def evaluate(self, inputs: Inputs, selection: Selection) -> Judged | None:
        """The values of the windows that this batch closes."""
        if self._is_counter:
            inputs = replace(inputs, samples={self._measure: _rates(inputs.samples[self._measure])})
        return self._judged(self._windows.take(inputs, selection))

    def tick(self, now_ns: int, active: Active) -> Judged | None:  # noqa: ARG002  # windows close for all
        """The values of the windows that close now."""
        return self._judged(self._windows.tick(now_ns))

    def subjects_of(self, series: Indices) -> Sequence[Indices]:
        """The series."""
        return (series,)

    def standing(self) -> Standing:
        """How far the detectors are with each series that was judged."""
        zones, zone = self._windows.zones()
        known = np.flatnonzero(self._mode[: len(self.subjects)] != _NEW)
        known = known[zone[known] >= 0]
        slack = self.feedback.slack(zones)
        bounds = self.bound + (np.zeros(len(zones)) if slack is None else slack)
        return Standing(
            *(known, zones, zone[known], tuple(bounds.tolist()), self.feedback.counts()), *self._auto.standing(known)
        )

    def snapshot(self) -> Arrays:
        """The open windows, and what is usual."""
        known = np.flatnonzero(self._mode[: len(self.subjects)] != _NEW)
        return {
            **self._windows.snapshot(),
            "feedback": self.feedback.snapshot(),
            "known": packed(known, np.uint32),
            "mode": packed(self._mode[known], np.uint8),
            **{f"auto.{name}": data for name, data in self._auto.snapshot(known).items()},
        }

    def restore(self, arrays: Arrays, ids: Ids) -> None:
        """Restore saved windows and what is usual."""
        self._windows.restore(arrays, ids.series)
        if "feedback" in arrays:  # older programs did not save it
            self.feedback.restore(arrays["feedback"])
        known = ids.series[unpacked(arrays["known"], np.uint32)]
        self._mode[known] = unpacked(arrays["mode"], np.uint8)
        of_auto = {name.removeprefix("auto."): data for name, data in arrays.items() if name.startswith("auto.")}
        self._auto.restore(of_auto, known)

    def _judged(self, closed: Iterable[Window]) -> Judged | None:
        parts = [part for windows in _rounds(closed) if (part := self._judge(windows)) is not None]
        if not parts:
            return None
        facts = {key: value for part in parts for key, value in part.facts.items()}
        row, subject, time_ns, value = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("row", "subject", "time_ns", "value")
        )
        slack = None if parts[0].slack is None else np.concatenate([part.slack for part in parts])
        return Judged(
            *(row, subject, time_ns, value, None),
            repeats=len(parts) > 1,
            judged=len(value),
            slack=slack,
            facts=facts,
        )

    def _judge(self, windows: Sequence[Window]) -> Judged:
        """The values of windows of different zones."""
        zones = [window.zone for window in windows]
        mean = np.full(len(self._mode), np.nan)
        for window in windows:
            mean[window.series] = window.total / window.count
        place = self._windows.places(zones)[: len(mean)]
        is_known = (self._mode != _NEW) | ~np.isnan(mean)
        series = np.flatnonzero((place >= 0) & is_known[: len(place)])
        place = place[series]
        time_ns, row = (np.array([getattr(one, name) for one in windows])[place] for name in ("end_ns", "row"))
        group = np.where(np.bincount(place)[place] < AT_LEAST, ALONE, place)
        self._choose_mode(series, group)
        verdict = self._auto.step(series, time_ns, mean[series], group)
        value = -verdict.log_p / math.log(10)
        numbers = np.stack([mean[series], verdict.expected, verdict.lower, verdict.upper, verdict.score], axis=1)
        facts = {
            (int(series[at]), int(time_ns[at])): _facts(numbers[at], FEATURES[verdict.feature[at]], value[at])
            for at in np.flatnonzero(value >= _TOLD)
        }
        slack = self.feedback.slack(zones)
        return Judged(
            *(row.astype(np.intp), series, time_ns.astype(np.int64), value, None),
            repeats=False,
            slack=None if slack is None else slack[place],
            facts=facts,
        )

    def _choose_mode(self, series: Indices, group: Indices) -> None:
        """Begin anew with signals whose values are compared with others now, or no more."""
        mode = np.where(group == ALONE, _BY_ITSELF, _BESIDE_PEERS).astype(np.uint8)
        before = self._mode[series]
        self._auto.forget(series[(before != mode) & (before != _NEW)])
        self._mode[series] = mode


def _rates(samples: Samples | None) -> Samples | None:
    """The samples of counters as the increase per second since the one before; without first ones and resets."""
    if samples is None:
        return None
    value = increase_per_s(samples.value - samples.before, samples.time_ns - samples.before_ns)
    return replace(samples, value=value).of(~np.isnan(value))


def _facts(numbers: Float64s, feature: str, value: float) -> Facts:
    names = ("average", "expected", "lower", "upper", "score")
    return {
        **{name: "" if math.isnan(number) else number for name, number in zip(names, numbers.tolist(), strict=True)},
        "feature": feature,
        "p": 10 ** -float(value),
    }


def _rounds(closed: Iterable[Window]) -> Iterator[list[Window]]:
    """Windows in groups, with one of each zone, which is after those of the groups before."""
    rounds: list[list[Window]] = []
    place: dict[str, int] = {}
    for window in closed:
        at = place[window.zone] = place.get(window.zone, -1) + 1
        if at == len(rounds):
            rounds.append([])
        rounds[at].append(window)
    return iter(rounds)


def _read_budget(node: object, what: str, problems: Problems) -> float | None:
    text = read_text(node, what, problems)  # type: ignore[arg-type]  # it refuses what is no text
    if text is None:
        return None
    found = _BUDGET.fullmatch(text)
    budget = float(found[1]) / int(found[2]) if found else 0.0
    if not 0 < budget <= 10:
        problems.add(
            node,  # type: ignore[arg-type]  # as above
            f"{what} must be alerts a day and series, as `1/day per 1000 series`, at most 10 of each, is {text!r}",
        )
        return None
    return budget


def _make(section: Section) -> Detector | None:
    every = section.get("every", EVERY)
    if every > timedelta(hours=1):
        section.problem(f"`every` of {section.what} must be at most 1h", at="every")
    return Detector(every, section.get("budget", BUDGET), section.get("time_zone", UTC), section.get("counter", False))


KIND = Kind(
    "detector",
    "values that are unusual for their signal",
    (
        Key("method", choice(*METHODS), "auto: all detectors together"),
        Key("every", SPAN, "the length of the windows whose averages are judged; 1m by default"),
        Key(
            "budget",
            Form(_read_budget, {"type": "string", "pattern": f"^{_BUDGET.pattern}$"}),
            "how many false alerts are accepted; 1/day per 1000 series by default",
        ),
        Key("time_zone", TIME_ZONE, "by whose clock the course of the day is learnt; UTC by default"),
        Key("counter", BOOLEAN, "true: values only grow, until they are reset; how fast they grow is judged"),
    ),
    _make,
    without=("clear",),
    short="method",
    numbers=("average", "expected", "lower", "upper", "score", "p"),
    names=("feature",),
    instead=f"{NOT_NUMBERS} of a rule",
)
