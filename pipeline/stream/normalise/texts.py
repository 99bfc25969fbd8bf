"""Measures of text that may still give their name up to a number, so that one bad first value harms no fleet.

A measure that the configuration gives no type, and that came as text first, is *open* while only one series has sent
text for it that says something (not empty, no word for "no value"): the first number that comes has the name, and the
texts are read beside it (`<name>_text`). Once a second series sends text it is a measure of text, and a number goes
beside it. Which series has sent text is known since the worker's start; that a measure is open or not is kept by the
store.
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
    """The open measures of one table: the only series that has sent text, None if none has since the start.

    news  what was decided and the store does not know yet
    """

    open: dict[str, Hashable] = field(default_factory=dict)
    news: dict[str, MeasureType] = field(default_factory=dict)

    def begin(self, measures: Iterable[str]) -> None:
        """These came as text now for the first time."""
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
        """It is a measure of text for good."""
        self.open.pop(measure, None)
        self.news[measure] = MeasureType.VARCHAR

    def give_up(self, measure: str, measure_type: MeasureType) -> None:
        """A number has its name."""
        self.open.pop(measure, None)
        self.news[measure] = measure_type
