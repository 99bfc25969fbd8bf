"""`auto`: all detectors over the same values, and one p-value.

What it is   the smallest p-value of `spike`, `season`, `shift`, `drift`, `noise`, `stuck`, `shape` and `missing`, and
             which of them it is. With a group they judge how far a value is from its peers.
Fails        where each of them does. A value of a group that has too few present values in a step is left out.
Range        log p: 0 (usual) downwards.
Warm-up      200 values, of `noise` 600, of `drift` 1000; the bins of the day fill for a day.
Cost         512 bytes a series; about 600 passes of numpy over a step, so of 4000 series each costs 5 µs, a single
             one 2 ms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rules.detectors.detector import COUNT, Detector, Step
from rules.detectors.level_shift import LevelShift
from rules.detectors.noise import Noise
from rules.detectors.peers import Peers
from rules.detectors.robust_ewma import RobustEwma
from rules.detectors.run_length import RunLength
from rules.detectors.seasonal import Seasonal
from rules.detectors.shape import Shape
from rules.detectors.silence import Silence
from rules.detectors.state import Kept, State
from rules.detectors.tail import Tail
from rules.values.arrays import Bools, Float64s, Indices
from rules.values.local_time import LocalClock
from store.record import Int64s
from store.values.time_zones import UTC

SPIKE, SEASON = RobustEwma(), Seasonal()
DETECTORS: tuple[Detector, ...] = (
    SPIKE,
    SEASON,
    LevelShift("shift", 12, 300, 600),
    LevelShift("drift", 100, 2000, 2000),
    Noise(),
    RunLength(),
    Shape(),
)
SILENCE, PEERS = Silence(), Peers()
TOGETHER = 4096
"""So many series are judged together: what is computed of them fits into the processor's cache."""
FEATURES = (*(detector.name for detector in DETECTORS), SILENCE.name)


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What is said of n series in one step.

    log_p     the logarithm of the smallest p-value; 0 where nothing is said
    feature   whose it is: an index of FEATURES
    score     of this detector
    expected  the expected value, of the most exact of what predicts it; NaN where there is none
    lower     values from here to `upper` have a p-value above the one asked for; NaN as well
    upper     see `lower`
    """

    log_p: Float64s
    feature: Indices
    score: Float64s
    expected: Float64s
    lower: Float64s
    upper: Float64s


def _joined(parts: Sequence[Verdict]) -> Verdict:
    """The verdict on the series of all parts."""
    return Verdict(*(np.concatenate([getattr(part, name) for part in parts]) for name in Verdict.__slots__))


class Auto:
    """All detectors over series numbered from 0.

    log_p: of the band; time_zone: by whose clock days are learnt, ValueError if there is none of this name.
    """

    def __init__(
        self,
        size: int = 0,
        *,
        log_p: float = -14.0,
        time_zone: str = UTC,
        detectors: tuple[Detector, ...] = DETECTORS,
    ) -> None:
        self._detectors = detectors
        self._log_p = log_p
        self._clock = LocalClock(time_zone)
        judges: tuple[Detector | Silence, ...] = (*detectors, SILENCE)
        parts: tuple[Detector | Silence | Peers, ...] = (*judges, PEERS)
        self._tails = {judge.name: Tail(judge.habits) for judge in judges}
        self._states = {part.name: State(part.fields) for part in parts}
        self._tail_states = {name: State(tail.fields) for name, tail in self._tails.items()}
        self.grow(size)

    @property
    def series_bytes(self) -> int:
        """What one series takes."""
        return sum(state.series_bytes for state in (*self._states.values(), *self._tail_states.values()))

    def grow(self, size: int) -> None:
        """Make room for the series below `size`."""
        for state in (*self._states.values(), *self._tail_states.values()):
            state.grow(size)

    def step(self, rows: Indices, time_ns: Int64s, value: Float64s, group: Indices | None = None) -> Verdict:
        """Judge one value of each of these series, and learn from it. Arrays of n; `rows` are distinct.

        value: NaN if the series has none in this step. group: whose values may be compared, -1: of none; None: no two.
        """
        base = np.zeros(len(rows)) if group is None else self._common(rows, value, group)
        local_ns = self._clock.at(time_ns)
        if len(rows) <= TOGETHER:
            return self._step(rows, local_ns, value, base)
        parts = [slice(begin, begin + TOGETHER) for begin in range(0, len(rows), TOGETHER)]
        return _joined([self._step(rows[part], local_ns[part], value[part], base[part]) for part in parts])

    def _step(self, rows: Indices, local_ns: Int64s, value: Float64s, base: Float64s) -> Verdict:
        log_p, score = np.zeros((len(self._detectors) + 1, len(rows))), np.zeros((len(self._detectors) + 1, len(rows)))
        expected, reach = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
        there = np.flatnonzero(~np.isnan(value) & ~np.isnan(base))
        if len(there):
            step = Step(local_ns[there], value[there], value[there] - base[there])
            for place, detector in enumerate(self._detectors):
                kept, tail = self._take(detector.name, rows[there])
                if detector is SEASON:
                    expected[there], reach[there] = self._band(kept, tail, step)
                score[place, there], log_p[place, there] = self._judge(detector, kept, tail, step)
                self._put(detector.name, rows[there], kept, tail)
        score[-1], log_p[-1] = self._judge_silence(rows, np.isnan(value))
        feature = log_p.argmin(0)
        expected += base
        return Verdict(
            log_p.min(0), feature, score[feature, np.arange(len(rows))], expected, expected - reach, expected + reach
        )

    def _common(self, rows: Indices, value: Float64s, group: Indices) -> Float64s:
        """What the group of each value has in common in this step."""
        kept = self._states[PEERS.name].take(rows)
        common = PEERS.common(kept, value, group)
        self._states[PEERS.name].put(rows, kept)
        return common

    def forget(self, rows: Indices) -> None:
        """Learn these series anew."""
        for states, name in ((self._states, COUNT.name), (self._tail_states, "seen")):
            for state in states.values():
                kept = state.take(rows)
                state.put(rows, {**kept, name: np.zeros(len(rows))})

    def standing(self, rows: Indices) -> tuple[tuple[str, ...], Bools, Bools]:
        """The names of the detectors; and of each (rows) and series (columns) whether it has no p-values yet, and
        whether it is held for anomalous, and so not learnt.
        """
        seen = {name: {"seen": state.column("seen", rows)} for name, state in self._tail_states.items()}
        learning = [self._tails[name].is_learning(kept) for name, kept in seen.items()]
        held = [self._tails[name].is_held(state.column("held", rows)) for name, state in self._tail_states.items()]
        return tuple(self._tails), np.array(learning), np.array(held)

    def snapshot(self, rows: Indices) -> dict[str, bytes]:
        """What is kept of these series: arrays by detector and field."""
        parts = {**self._states, **{f"{name}.tail": state for name, state in self._tail_states.items()}}
        return {f"{name}.{key}": data for name, part in parts.items() for key, data in part.snapshot(rows).items()}

    def restore(self, arrays: Mapping[str, bytes], rows: Indices) -> None:
        """Restore what was saved of these series. Raises KeyError or ValueError if it is not whole."""
        parts = {**self._states, **{f"{name}.tail": state for name, state in self._tail_states.items()}}
        for name, part in parts.items():
            of = f"{name}."
            part.restore({key.removeprefix(of): data for key, data in arrays.items() if key.startswith(of)}, rows)

    def _judge(self, detector: Detector, kept: Kept, tail: Kept, step: Step) -> tuple[Float64s, Float64s]:
        """The scores of a detector and their log p; after that it has learnt."""
        judge = self._tails[detector.name]
        scores = detector.score(kept, step)
        log_p = judge.log_p(tail, scores)
        trust, is_new_normal = judge.trust(tail, log_p)
        judge.learn(tail, scores, trust)
        detector.learn(kept, step, trust)
        kept["count"] = np.where(is_new_normal, 0, kept["count"])
        return np.nan_to_num(scores), log_p

    def _judge_silence(self, rows: Indices, is_absent: Bools) -> tuple[Float64s, Float64s]:
        kept, tail = self._take(SILENCE.name, rows)
        judge, scores = self._tails[SILENCE.name], SILENCE.score(kept, is_absent)
        log_p = judge.log_p(tail, scores)
        trust, _ = judge.trust(tail, log_p)
        judge.learn(tail, scores, trust)
        SILENCE.learn(kept, is_absent)
        self._put(SILENCE.name, rows, kept, tail)
        return scores, np.where(is_absent, log_p, 0)

    def _band(self, kept: Kept, tail: Kept, step: Step) -> tuple[Float64s, Float64s]:
        """What is expected of these values, and how far from it they may be."""
        expected, scale = SEASON.expected(kept, step)
        reach = scale * self._tails[SEASON.name].score_at(tail, self._log_p)
        is_learning = self._tails[SEASON.name].is_learning(tail)
        return np.where(is_learning, np.nan, expected), np.where(is_learning, np.nan, reach)

    def _take(self, name: str, rows: Indices) -> tuple[Kept, Kept]:
        return self._states[name].take(rows), self._tail_states[name].take(rows)

    def _put(self, name: str, rows: Indices, kept: Kept, tail: Kept) -> None:
        self._states[name].put(rows, kept)
        self._tail_states[name].put(rows, tail)
