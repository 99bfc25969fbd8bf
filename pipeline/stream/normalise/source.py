"""The sources of messages: an MQTT topic of an account, its table, and its series.

Found once per source and cached, because devices publish to the same MQTT topic for years.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pipeline.base.errors import PayloadError
from pipeline.log.dead_letter import Reason
from pipeline.stream.normalise.body import Fields, Flattener, has_repeats
from pipeline.stream.normalise.fields import MORE, FieldRule, rule_of
from pipeline.stream.normalise.measuring import MAX_MEASURES
from pipeline.stream.normalise.plan import Plan
from pipeline.stream.normalise.reading import DimensionValues
from pipeline.stream.normalise.routes import Route
from pipeline.stream.normalise.templates import TopicDimensions
from pipeline.stream.normalise.texts import Texts
from pipeline.stream.normalise.zones import zone_of
from store.catalog.limits import DEFAULTS
from store.catalog.names import DIMENSION_PAIRS_MAX_BYTES, DIMENSIONS_MAX
from store.record import MeasureType, SeriesIndex, SeriesKey

MAX_PLANS = 1_024  # cached shapes per table; more mean that a device invents field names …
_TRIES = 16 * MAX_PLANS  # … so others get no plan, until this number of messages had none: fleets change, too
_MAX_SHAPE_BYTES = 16_384  # of the names of a shape with a plan
_MAX_RULES = 4_096
_SHARED_TEXTS = 10_000
_CHARACTERS_SURE = DIMENSION_PAIRS_MAX_BYTES // 4  # so many are within the limit, whatever they are

UNKNOWN = -1


@dataclass(slots=True, eq=False)
class TableState:
    """A table of one account as normalise knows it: its series, the types of its measures, its plans by shape.

    `asked` are the measures whose type an operator asked for; `most_measures` is what the table's limit and the room of
    its account allow now.
    """

    route: Route
    index: SeriesIndex
    types: dict[str, MeasureType]
    texts: Texts = field(default_factory=Texts)
    asked: set[str] = field(default_factory=set)
    most_measures: int = DEFAULTS.measures
    plans: dict[tuple[str, ...], Plan] = field(default_factory=dict)
    flat_plans: dict[tuple[str, ...], Plan] = field(default_factory=dict)
    _seen: set[int] = field(default_factory=set)  # hashes of shapes that came once
    _without_plan: int = 0
    _rules: dict[str, FieldRule | None] = field(default_factory=dict)
    _texts: dict[str, str] = field(default_factory=dict)

    def shared(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """Equal texts: series of one zone share the texts of their dimensions, which are most of their memory."""
        if len(self._texts) >= _SHARED_TEXTS:
            self._texts.clear()
        return tuple(map(self._texts.setdefault, texts, texts))

    def shared_text(self, text: str) -> str:
        """The same for one text."""
        return self._texts.setdefault(text, text)

    def rule_of(self, name: str) -> FieldRule | None:
        """What a field becomes, as `fields.rule_of`. Remembered for names that have a column."""
        try:
            return self._rules[name]
        except KeyError:
            found = rule_of(name, self.route)
            if found is None or found.is_listed or name in self.types:
                if len(self._rules) >= _MAX_RULES:
                    self._rules.clear()
                self._rules[name] = found
            return found

    def room_for(self, source: Source) -> int:
        """How many unconfigured measures a message of this source may add.

        A source gets a quarter of what is free at its first request: so whatever names it invents, others find room.
        """
        free = self.most_measures - len(self.types) - (MORE not in self.types)
        if source.allowance is None:
            source.allowance = free // 4 + 1
        return max(0, min(free, source.allowance))

    def plan(self, shape: tuple[str, ...], *, is_flat: bool = False) -> Plan | None:
        """The plan for objects with these keys in this order, flattened or not; None if they are too rare for one.

        A plan costs as much as some ten messages, so a shape gets one when it comes for the second time.
        """
        plans = self.flat_plans if is_flat else self.plans
        plan = plans.get(shape)
        if plan is None and self._deserves_plan(shape, plans):
            plan = plans[shape] = Plan(shape, self.route, is_flat=is_flat)
        return plan

    def _deserves_plan(self, shape: tuple[str, ...], plans: dict[tuple[str, ...], Plan]) -> bool:
        key = hash(shape)
        if key not in self._seen:
            if len(self._seen) >= 4 * MAX_PLANS:
                self._seen.clear()
            self._seen.add(key)
            return False
        if len(plans) >= MAX_PLANS:
            self._without_plan += 1
            if self._without_plan < _TRIES:
                return False
            plans.clear()
            self._without_plan = 0
        return len(shape) <= 2 * MAX_MEASURES and sum(map(len, shape)) <= _MAX_SHAPE_BYTES

    def flattened(self, body: dict[str, Any], payload: bytes) -> tuple[Plan | None, Fields]:
        """An object with nested objects as fields, and their plan; no plan if it has to be read by itself."""
        route = self.route
        flattener = Flattener(route.arrays, route.each)
        try:
            flattener.take(body)
        except PayloadError:
            return None, {}
        if flattener.lists or flattener.dropped or has_repeats(payload, flattener.keys):
            return None, {}
        return self.plan(tuple(flattener.fields), is_flat=True), flattener.fields


class Source:
    """One MQTT topic of one account. `only` is its series if the payload has no dimensions, once known."""

    __slots__ = ("_ids", "_mqtt_topic", "_names", "_values", "allowance", "only", "table")

    def __init__(self, table: TableState, mqtt_topic: str, dimensions: TopicDimensions) -> None:
        self.table = table
        self.only = UNKNOWN
        self.allowance: int | None = None  # how many measures it may add; None: not requested yet
        self._mqtt_topic = mqtt_topic
        self._names, values = dimensions
        self._values = table.shared(values)
        self._ids: dict[DimensionValues, int] | None = None  # of series with dimensions in the payload

    def series(self, values: DimensionValues) -> int:
        """The id of the series with these payload dimensions, created at its first good record.

        Raises PayloadError: BAD_DIMENSION, TOO_MANY_SERIES.
        """
        if not values:
            if self.only == UNKNOWN:
                self.only = self._created(self._names, self._values)
            return self.only
        if self._ids is None or len(self._ids) >= MAX_PLANS:
            self._ids = {}
        found = self._ids.get(values)
        if found is None:
            found = self._ids[values] = self._created(*self._with(values))
        return found

    def _with(self, values: DimensionValues) -> TopicDimensions:
        from_payload = (
            (name, value) for name, value in zip(self.table.route.dimensions, values, strict=True) if value is not None
        )
        pairs = sorted((*zip(self._names, self._values, strict=True), *from_payload))
        return tuple(name for name, _ in pairs), tuple(value for _, value in pairs)

    def _created(self, names: tuple[str, ...], values: tuple[str, ...]) -> int:
        table = self.table
        route, index = table.route, table.index
        if len(names) > DIMENSIONS_MAX or len("".join(names + values)) > _CHARACTERS_SURE:
            _check_size(names, values)
        zone = zone_of(route.zone, names, values, self._mqtt_topic)
        admitted = index.admit(SeriesKey.of(names, values, route.measure_name), zone and table.shared_text(zone))
        if admitted is None:
            assert index.room is not None
            raise PayloadError(
                Reason.TOO_MANY_SERIES,
                f"a new series, and account {index.table.account} has {index.room.used(index.table.account)}; "
                f"limits.series, or its quota, allows {index.room.most(index.table.account)}",
            )
        return admitted


def _check_size(names: tuple[str, ...], values: tuple[str, ...]) -> None:
    """Raise PayloadError for dimensions that are too many, or too large."""
    size_bytes = sum(len(text.encode()) for text in names + values)
    if len(names) > DIMENSIONS_MAX or size_bytes > DIMENSION_PAIRS_MAX_BYTES:
        raise PayloadError(
            Reason.BAD_DIMENSION,
            f"{len(names)} dimensions of {size_bytes} bytes together; a series has at most {DIMENSIONS_MAX} "
            f"of {DIMENSION_PAIRS_MAX_BYTES} bytes",
        )
