"""Measures of text that may still give their name up to a number, so that one bad first value does not affect a fleet.

A measure without a configured type that arrived first as text is *open* while only one series has sent meaningful text
for it (not empty, not a word for "no value"): the first number gets the name, and the texts are stored as
`<name>_text`. When a second series sends text, the measure stays text, and numbers are stored under another name. Which
series has sent text is known since the worker's start; whether a measure is open is saved by the store.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from store.record import MeasureType, TableId

TypeDecision: TypeAlias = tuple[TableId, str, MeasureType]
"""A measure that came as text, and what it is from now on: varchar, or the type that its name went to."""


@dataclass(slots=True)
class Texts:
    """The open measures of one table, each with the only series that has sent text; None if none has since the start.

    `news` are decisions that the store does not know yet.
    """

    open: dict[str, Hashable] = field(default_factory=dict)
    news: dict[str, MeasureType] = field(default_factory=dict)

    def begin(self, measures: Iterable[str]) -> None:
        """These measures arrived as text for the first time."""
        for measure in measures:
            self.open.setdefault(measure, None)

    def sent(self, measure: str, series: Hashable) -> None:
        """A series sent text for the measure."""
        if measure in self.open:
            first = self.open[measure]
            if first is None:
                self.open[measure] = series
            elif first != series:
                self.settle(measure)

    def settle(self, measure: str) -> None:
        """The measure stays text."""
        self.open.pop(measure, None)
        self.news[measure] = MeasureType.VARCHAR

    def give_up(self, measure: str, measure_type: MeasureType) -> None:
        """A number gets its name."""
        self.open.pop(measure, None)
        self.news[measure] = measure_type
