"""The role of each field in objects of one *shape* (the same keys in the same order), computed once per shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.stream.normalise.fields import field_rules
from pipeline.stream.normalise.measuring import MAX_MEASURES
from pipeline.stream.normalise.routes import MeasureRule, Route

if TYPE_CHECKING:  # a group has the sources of its rows, the table of a source has plans
    from pipeline.stream.normalise.source import Source


@dataclass(slots=True)
class Group:
    """The messages of one shape and one table: row numbers (ascending), sources, and all values, row by row."""

    rows: list[int] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    flat: list[Any] = field(default_factory=list)

    def only(self, positions: list[int], width: int) -> Group:
        """The group with only the messages at these positions."""
        return Group(
            [self.rows[i] for i in positions],
            [self.sources[i] for i in positions],
            [value for i in positions for value in self.flat[i * width : (i + 1) * width]],
        )


@dataclass(frozen=True, slots=True)
class MeasureAt:
    """A measure's position in the shape."""

    position: int
    rule: MeasureRule
    is_renamed: bool


class Plan:
    """The plan for one shape in one table.

    is_fast    whether objects of this shape can become columns at all; otherwise each is read by itself
    is_nested  whether an object of this shape contained objects or arrays: then they are flattened first
    is_flat    whether this is the shape of flattened objects, whose keys were counted during flattening
    ignored    the positions of fields that the table's patterns ignore
    group      the messages collected and not yet processed
    """

    __slots__ = (
        "dimensions", "group", "ignored", "is_fast", "is_flat", "is_nested", "measures", "shape", "time", "width",
    )  # fmt: skip

    def __init__(self, shape: tuple[str, ...], route: Route, *, is_flat: bool = False) -> None:
        time_field = None if route.time is None else route.time.field
        rules = list(enumerate(field_rules(shape, route)))
        self.shape = shape
        self.width = len(shape)
        self.group = Group()
        self.is_nested = False
        self.is_flat = is_flat
        self.time = shape.index(time_field) if time_field in shape else None
        self.dimensions = tuple(shape.index(name) if name in shape else None for name in route.dimensions)
        self.measures = tuple(
            MeasureAt(position, found.rule, found.is_renamed) for position, found in rules if found and found.rule
        )
        self.ignored = tuple(position for position, found in rules if found and found.rule is None)
        names = {measure.rule.name for measure in self.measures}
        self.is_fast = (
            0 < len(names) <= MAX_MEASURES
            and len(names) == len(self.measures)
            and (time_field is None or self.time is not None)
        )

    def take(self) -> Group:
        """The collected messages; starts a new collection."""
        group, self.group = self.group, Group()
        return group
