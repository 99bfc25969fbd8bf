"""`expression`: arithmetic over measures of one series, as the vapour pressure deficit of temperature and humidity.

    expression: {of: "(1 - humidity / 100) * 0.61 * exp(17.3 * temperature / (temperature + 237))", max: 1.6}

It is computed at each row with a sample of one of its measures, from the newest samples of all of them, if none is
later than the row, nor older than `within`: by default all are from the row's own time, also if a device sends them in
several messages. Where it is not a number, as after a division by 0, nothing is judged, and the sample is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from rules.definition.document import Problems, read_parsed
from rules.definition.keys import DURATION, Form, Key, Section
from rules.definition.selection import Selection
from rules.kinds.arithmetic import LONGEST, Arithmetic, parse_arithmetic
from rules.kinds.judging import Ids, Inputs, Judge, Judged, OfSeries
from rules.kinds.kind import Kind, OnMeasure
from rules.values.arrays import NEVER, Arrays, Bools, Float64s, Indices, grown, packed, unpacked
from rules.values.samples import Samples, rounds_of
from store.record import Int64s, SeriesIndex
from store.values.durations import duration_ns
from store.values.yaml_text import Node

_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True)
class Expression(OnMeasure):
    """The value is computed from measures of one series, none of which may be older than `within`."""

    of: Arithmetic
    within: timedelta = timedelta(0)

    @property
    def facts(self) -> tuple[object, ...]:
        """Everything."""
        return "expression", self.of.text, duration_ns(self.within)

    def measures(self, _measure: str) -> tuple[str, ...]:
        """Those in the expression; the rule's own is only a name."""
        return self.of.measures

    def build(self, _measure: str, index: SeriesIndex) -> Judge:
        """A judge that keeps the newest sample of each measure of each series."""
        return ExpressionJudge(index, self.of, duration_ns(self.within))


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One measure in the rows of a batch that have a sample of any: NaN where it has none, and whether it restarts."""

    value: Float64s
    anew: Bools


class ExpressionJudge(OfSeries):
    """The value of an expression at each row."""

    version = 1

    def __init__(self, index: SeriesIndex, of: Arithmetic, within_ns: int) -> None:
        self.subjects = index
        self._of = of
        self._within_ns = within_ns
        self._time_ns: dict[str, Int64s] = dict.fromkeys(of.measures, np.empty(0, np.int64))
        self._value: dict[str, Float64s] = dict.fromkeys(of.measures, np.empty(0, np.float64))

    def grow(self, size: int) -> None:
        """Make room for series ids below `size`."""
        for measure in self._of.measures:
            self._time_ns[measure] = grown(self._time_ns[measure], size, NEVER)
            self._value[measure] = grown(self._value[measure], size, np.nan)

    def evaluate(self, inputs: Inputs, selection: Selection) -> Judged | None:
        """The value at each row with a sample of one of the measures."""
        samples = [inputs.samples[measure] for measure in self._of.measures]
        some = [part for part in samples if part is not None and len(part)]
        if not some:
            return None
        rows = np.unique(np.concatenate([part.row for part in some]))
        series, time_ns = inputs.series[rows - inputs.row[0]], inputs.batch.time_ns[rows]
        parts = [_part(part, rows) for part in samples]
        repeats = any(part.repeats for part in some)
        values, has = np.zeros(len(rows)), np.zeros(len(rows), np.bool_)
        for chosen in rounds_of(series) if repeats else (np.arange(len(rows)),):
            values[chosen], has[chosen] = self._take(series[chosen], time_ns[chosen], parts, chosen)
        is_number = np.isfinite(values)
        anew = np.logical_or.reduce([part.anew for part in parts])
        included = selection.of(series)
        eligible = has & is_number if included is None else has & is_number & included
        undefined = int(np.count_nonzero(has & ~is_number if included is None else has & ~is_number & included))
        values[~is_number] = 0
        return Judged(
            *(rows, series, time_ns, np.clip(values, -_LARGEST, _LARGEST), eligible, repeats),
            anew=anew if anew.any() else None,
            undefined=undefined,
        )

    def _take(self, series: Indices, time_ns: Int64s, parts: Sequence[Part], chosen: Indices) -> tuple[Float64s, Bools]:
        """The values at some rows, one for each of their series; and at which of them all measures are known."""
        known = np.ones(len(series), np.bool_)
        newest = {}
        for measure, part in zip(self._of.measures, parts, strict=True):
            value = part.value[chosen]
            there = ~np.isnan(value)
            self._time_ns[measure][series[there]] = time_ns[there]
            self._value[measure][series[there]] = value[there]
            at_ns = self._time_ns[measure][series]
            known &= (at_ns <= time_ns) & (at_ns >= time_ns - self._within_ns)
            newest[measure] = self._value[measure][series]
        return self._of.of(newest), known

    def snapshot(self) -> Arrays:
        """The newest samples of all measures."""
        size = len(self.subjects)
        arrays = {}
        for place, measure in enumerate(self._of.measures):
            arrays[f"time_ns {place}"] = packed(self._time_ns[measure][:size], np.int64)
            arrays[f"value {place}"] = packed(self._value[measure][:size], np.float64)
        return arrays

    def restore(self, arrays: Arrays, ids: Ids) -> None:
        """Restore saved samples."""
        for place, measure in enumerate(self._of.measures):
            self._time_ns[measure][ids.series] = unpacked(arrays[f"time_ns {place}"], np.int64)
            self._value[measure][ids.series] = unpacked(arrays[f"value {place}"], np.float64)


def _part(samples: Samples | None, rows: Indices) -> Part:
    """The samples of one measure at these rows, which are in order and hold all of theirs."""
    part = Part(np.full(len(rows), np.nan), np.zeros(len(rows), np.bool_))
    if samples is not None and len(samples):
        at = np.searchsorted(rows, samples.row)
        part.value[at] = samples.value
        if samples.anew is not None:
            part.anew[at] = samples.anew
    return part


def _read(node: Node, what: str, problems: Problems) -> Arithmetic | None:
    return read_parsed(node, what, problems, parse_arithmetic, wrong="{what} {error}")


def _make(section: Section) -> Expression:
    return Expression(section.get("of"), section.get("within", timedelta(0)))


KIND = Kind(
    "expression",
    "the normal values of an expression over measures of one series",
    (
        Key("of", Form(_read, {"type": "string", "maxLength": LONGEST}), "arithmetic over measures", is_needed=True),
        Key("within", DURATION, "how old the newest value of a measure may be; 0s by default: all of one time"),
    ),
    _make,
    has_limits=True,
    measure="expression",
)
