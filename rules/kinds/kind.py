"""What a kind of rule is. A new one is a file in this folder, and a row of `rules.kinds.KINDS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from rules.definition.bounds import UNBOUNDED, Bounds
from rules.definition.keys import Key, Section
from rules.kinds.judging import Judge
from store.record import SeriesIndex


class Condition(Protocol):
    """The part of a rule that its kind defines: frozen values."""

    @property
    def bounds(self) -> Bounds:
        """Which of the judge's values are normal, if nobody writes bounds for this kind."""
        ...

    @property
    def facts(self) -> tuple[object, ...]:
        """The name of the kind, and all that decides besides its levels: a part of the rule's definition."""
        ...

    @property
    def is_measured(self) -> bool:
        """Whether the judge's value is that of the measure itself, so that an alert reports it exactly."""
        ...

    @property
    def alias(self) -> str:
        """Another name of the value in annotations; empty: none."""
        ...

    @property
    def explains(self) -> bool:
        """Whether what the judge knows of a value besides stands in alerts, and not only in their placeholders."""
        ...

    @property
    def together(self) -> tuple[str, ...] | None:
        """The dimensions of what is judged together; None: each series is judged by itself."""
        ...

    def measures(self, measure: str, /) -> tuple[str, ...]:
        """The measures whose samples the judge needs, if `measure` is the rule's."""
        ...


@runtime_checkable
class Judging(Condition, Protocol):
    """A condition on values: the judge of a table is built from it."""

    def build(self, measure: str, index: SeriesIndex, /) -> Judge:
        """The judge of one table for a rule over `measure`."""
        ...


class Computed:
    """What conditions share whose values are computed, unless they say otherwise."""

    __slots__ = ()

    @property
    def is_measured(self) -> bool:
        """No: it is computed."""
        return False

    @property
    def alias(self) -> str:
        """None."""
        return ""

    @property
    def explains(self) -> bool:
        """No: rows of a short time say as much."""
        return False

    @property
    def together(self) -> tuple[str, ...] | None:
        """None: each series is judged by itself."""
        return None


class OnMeasure(Computed):
    """What most conditions share: their values are computed from the rule's own measure, and their bounds written."""

    __slots__ = ()

    @property
    def bounds(self) -> Bounds:
        """None: they are written."""
        return UNBOUNDED

    def measures(self, measure: str, /) -> tuple[str, ...]:
        """The rule's own."""
        return (measure,)


class OnNoSamples(Computed):
    """What conditions share that are not about samples, but about their absence, or about other rules."""

    __slots__ = ()

    def measures(self, measure: str, /) -> tuple[str, ...]:  # noqa: ARG002  # of no kind of samples
        """None: it needs no samples."""
        return ()


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of rule.

    name        its key in a rule
    keys        what stands under it
    make        the condition of these, or None after a problem was added
    measure     how its values are called in alerts, if the rule names no measure; empty: the rule has to
    numbers     placeholders of its alerts that are numbers, besides those of all kinds
    names       placeholders of its alerts that are texts
    without     keys of a rule that have no meaning for it
    has_limits  whether bounds and levels are written under it, too (`rules.files.level_keys`)
    is_sampled  whether samples make its values, so that `for` and `clear_for` may be a number of these
    short       the key whose value may stand for all of them; empty: none
    instead     what to do about values that are text, booleans or times; empty: nothing better
    """

    name: str
    about: str
    keys: tuple[Key, ...]
    make: Callable[[Section], Condition | None]
    has_limits: bool = False
    is_sampled: bool = True
    measure: str = ""
    without: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    short: str = ""
    instead: str = ""
