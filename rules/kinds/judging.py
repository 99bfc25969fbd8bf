"""What passes between a table's batches, the judges of its rules, and the phases of their subjects.

A *judge* turns a batch into the values that a rule compares with its bounds. A *subject* is what an alert is about: a
series for most kinds, a zone or a group of series for others. Subjects are a `SeriesIndex`, so that each has a key and
a small integer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias

from rules.definition.selection import Selection
from rules.values.arrays import Arrays, Bools, Float64s, Indices
from rules.values.listening import ListeningClock
from rules.values.samples import Rows, Samples
from store.record import Int64s, RecordBatch, SeriesIndex

Facts: TypeAlias = Mapping[str, str | float]
"""What a kind of rule knows of a value besides: placeholders of its alerts."""


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """One batch, as judges are given it.

    row      the rows beyond the position: indices in the batch
    series   their series
    clock    of our listening, at the last tick before these rows
    given    by measure that a rule of the table watches, the rows with a number; None: the batch has none
    samples  the samples among these
    """

    batch: RecordBatch
    row: Indices
    series: Indices
    clock: ListeningClock
    given: Mapping[str, Rows | None]
    samples: Mapping[str, Samples | None]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """The values that a rule judges, those of each subject in log order. Arrays of one length.

    row        the row of the batch that each value comes from, at whose time and place in the log it is decided
    value      finite
    eligible   which of them are judged; None: all
    repeats    whether a subject may occur more than once
    anew       which of them restart their signal (`rules.values.ahead`); None: none
    lasting    which of them are no new values: at a tick, the last one still holds; None: none
    judged     how many have a value, if this is counted
    too_wide   how many have none, because the gap before them was too long
    undefined  how many have none, because what is computed is not a number there
    slack      how much further than the bounds each value may reach; negative: less far; None: 0
    facts      by subject and time, what else is known of its value, for annotations
    """

    row: Indices
    subject: Indices
    time_ns: Int64s
    value: Float64s
    eligible: Bools | None
    repeats: bool
    anew: Bools | None = None
    lasting: Bools | None = None
    judged: int = 0
    too_wide: int = 0
    undefined: int = 0
    slack: Float64s | None = None
    facts: Mapping[tuple[int, int], Facts] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.row)


Active: TypeAlias = Callable[[], Sequence[int]]
"""Finds the subjects that are pending or firing; not every kind needs them."""


class Ids(NamedTuple):
    """The series and the subjects of today by their saved index."""

    series: Indices
    subjects: Indices


class OfSeries:
    """What judges share whose subjects are series, and whose values come with samples alone."""

    __slots__ = ()

    def tick(self, now_ns: int, active: Active) -> Judged | None:  # noqa: ARG002  # see above
        """None."""
        return None

    def subjects_of(self, series: Indices) -> Sequence[Indices]:
        """The series."""
        return (series,)


class Judge(Protocol):
    """The judge of one rule over one table; it keeps what its kind has to remember of each subject.

    Its values depend only on the rows it was given in log order, never on how they were cut into batches.
    """

    @property
    def subjects(self) -> SeriesIndex:
        """What its values are about; the table's own index if these are series."""
        ...

    def grow(self, size: int) -> None:
        """Make room for series ids below `size`; called before each batch, `snapshot` and `restore`."""
        ...

    def evaluate(self, inputs: Inputs, selection: Selection) -> Judged | None:
        """The values of one batch; None if there are none. Every subject that they name is in `subjects`."""
        ...

    def tick(self, now_ns: int, active: Active) -> Judged | None:
        """The values because time has passed, at row -1; `now_ns` is on the listening clock."""
        ...

    def subjects_of(self, series: Indices) -> Sequence[Indices]:
        """The subjects that readings of these series are data of: for each series one or more, -1 for none."""
        ...

    @property
    def version(self) -> int:
        """Of what it saves; a saved state of another version is not restored."""
        ...

    def snapshot(self) -> Arrays:
        """Its state over all series and subjects; empty if it has none."""
        ...

    def restore(self, arrays: Arrays, ids: Ids) -> None:
        """Restore a saved state into a judge that has evaluated nothing.

        May raise KeyError, IndexError or ValueError if it is not one that this version saves.
        """
        ...
