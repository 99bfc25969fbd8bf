"""The tables of a streamgauge.yaml: the MQTT topics of each, and how their payloads are read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from pipeline.base.quantities import Duration
from pipeline.config import names, templates
from pipeline.config.problems import refuse
from store.catalog import units
from store.catalog.catalog import TableSettings
from store.catalog.rollup_table import COUNT, RollupTable
from store.names import SYSTEM_DATABASE, MeasureType
from store.values.durations import duration_ns, format_duration
from store.values.nearest import nearest
from store.values.templates import EVERYTHING, is_numbered_level
from store.values.time_zones import zone_called
from store.values.yaml_text import Problem

MeasureKind = Literal["double", "bigint", "boolean", "varchar"]
TimeUnit = Literal["s", "ms", "us", "ns", "iso8601"]
Aggregate = Literal["avg", "count", "sum", "min", "max"]
ArrayKind = Literal["json", "index", "rows", "drop"]
FieldPattern = Annotated[str, Field(min_length=1)]

TableName = Annotated[str, AfterValidator(names.check_table)]
TopicTemplate = Annotated[str, AfterValidator(templates.check_topics)]
ZoneTemplate = Annotated[str, AfterValidator(templates.check_zone)]
DimensionName = Annotated[str, AfterValidator(names.check_dimension)]
MeasureName = Annotated[str, AfterValidator(names.check_measure)]


class Section(BaseModel):
    """A mapping of the file: frozen, unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def _told_of_dot(name: str) -> str:
    return f'"{name}" has a dot: a field inside another is named with _ between, as in {name.replace(".", "_")}'


class TimeField(Section):
    """The payload field with the event time, and its unit."""

    field: str = Field(min_length=1, description="payload field that holds the time")
    unit: TimeUnit = Field(default="ms", description="since 1970, or iso8601 for text")
    zone: str | None = Field(default=None, description="of text without an offset: Europe/Berlin, or +01:00")

    @field_validator("field")
    @classmethod
    def _is_flat(cls, name: str) -> str:
        if "." in name:
            raise ValueError(_told_of_dot(name))
        return name

    @model_validator(mode="after")
    def _zone_fits(self) -> Self:
        if self.zone is not None:
            if self.unit != "iso8601":
                refuse([Problem(("zone",), f"a number of {self.unit} has no zone; it is for unit: iso8601")])
            try:
                zone_called(self.zone)
            except ValueError as error:
                refuse([Problem(("zone",), str(error))])
        return self


class Limits(Section):
    """The times that are accepted."""

    future: Duration = Field(default=timedelta(minutes=15), description="how far ahead of its arrival a reading may be")


class Measure(Section):
    """The measure that a payload field becomes."""

    name: MeasureName | None = Field(default=None, alias="as", description="the measure's name; by default the field's")
    unit: str | None = Field(default=None, description="the unit the devices send, converted to the measure's own")
    type: MeasureKind | None = Field(default=None, description="by default what JSON says, and double for every number")

    @model_validator(mode="after")
    def _unit_fits(self) -> Self:
        found = []
        if self.unit is not None:
            unknown = _unknown_unit(self.unit)
            if unknown is not None:
                found.append(Problem(("unit",), unknown))
            if self.type in ("boolean", "varchar"):
                found.append(Problem(("unit",), f'a {self.type} has no unit; remove "{self.unit}" or the type'))
        refuse(found)
        return self


def _check_bin(width: timedelta) -> timedelta:
    if width % timedelta(minutes=1):
        raise ValueError(f"{format_duration(width)} is not a number of whole minutes")
    return width


class Retention(Section):
    """How long rows are kept."""

    memory: Duration = Field(default=timedelta(hours=1), description="the memory tier's window")
    magnetic: Duration = Field(default=timedelta(days=365), description="the magnetic tier's window")


class Rollup(Section):
    """A table with aggregates of this one, by series and bin."""

    width: Annotated[Duration, AfterValidator(_check_bin)] = Field(alias="bin", description="whole minutes, as in 1h")
    aggregates: tuple[Aggregate, ...] = Field(default=get_args(Aggregate), min_length=1, description="of each number")
    retention: Duration = Field(default=timedelta(days=3650), description="how long it keeps them")


class Table(Section):
    """One table: a template, from which the table is created in each account that writes to it."""

    name: TableName = Field(description="database.table")
    topics: TopicTemplate = Field(
        description="MQTT topic template: {name} makes a level a dimension; + and # as in MQTT"
    )
    zone: ZoneTemplate | None = Field(default=None, description="what a zone is: one dimension, or a template of them")
    time: TimeField | None = Field(default=None, description="the event time; without it, the time of arrival")
    measure_name: MeasureName = Field(default="readings", description="of the multi-measure record")
    dimensions: tuple[DimensionName, ...] = Field(default=(), description="payload fields that are dimensions too")
    limits: Limits = Limits()
    measures: Mapping[str, Measure] = Field(default={}, description="by payload field; others keep their name")
    arrays: ArrayKind = Field(default="json", description="what arrays become: their text, a field or a row an element")
    each: str | None = Field(default=None, min_length=1, description="payload field whose elements are rows")
    ignore: tuple[FieldPattern, ...] = Field(default=(), description="patterns of payload fields that are left")
    only: tuple[FieldPattern, ...] = Field(default=(), description="patterns of the payload fields that are taken")
    retention: Retention = Retention()
    rollups: tuple[Rollup, ...] = Field(default=(), description="tables with aggregates of this one")

    @field_validator("name")
    @classmethod
    def _is_no_table_of_the_server(cls, name: str) -> str:
        if name.startswith(f"{SYSTEM_DATABASE}."):
            raise ValueError(f'"{name}": the tables of the database {SYSTEM_DATABASE} are written by the server alone')
        return name

    @property
    def database_and_table(self) -> tuple[str, str]:
        """The two parts of the name."""
        return names.split_table_name(self.name)

    @property
    def takes_everything(self) -> bool:
        """Whether the template is `#` alone.

        Then every level of the MQTT topic is a dimension, topic_1, topic_2, …, and the zone, unless one is configured,
        is the MQTT topic without its last level.
        """
        return self.topics == EVERYTHING

    @property
    def zone_template(self) -> str | None:
        """The zone as a template with at least one `{dimension}`, or None if none is configured."""
        return None if self.zone is None else templates.zone_template(self.zone)

    @property
    def units(self) -> Mapping[str, str]:
        """The unit in which each measure is stored: of the field with its name, else of the first listed field."""
        chosen: dict[str, str] = {}
        for payload_field, measure in self.measures.items():
            target = measure.name or payload_field
            if measure.unit is not None and (target == payload_field or target not in chosen):
                chosen[target] = measure.unit
        return chosen

    @property
    def types(self) -> Mapping[str, MeasureType]:
        """The configured type of each measure: by one of its fields, else double if it has a unit."""
        chosen: dict[str, MeasureType] = {}
        for payload_field, measure in self.measures.items():
            if measure.type is not None:
                chosen.setdefault(measure.name or payload_field, MeasureType(measure.type))
        return {**dict.fromkeys(self.units, MeasureType.DOUBLE), **chosen}

    @property
    def settings(self) -> TableSettings:
        """The settings of the table in the store. Late rows are accepted as far back as both retentions reach."""
        return TableSettings(
            memory_retention=self.retention.memory,
            magnetic_retention=self.retention.magnetic,
            magnetic_writes=True,
            from_config=True,
            zone=self.zone_template,
            units=self.units,
            types=self.types,
            dimensions=(*templates.topic_dimensions(self.topics), *self.dimensions),
        )

    @property
    def rollup_tables(self) -> tuple[RollupTable, ...]:
        """The tables with aggregates of this one: `<name>_<bin>`."""
        database, table = self.database_and_table
        return tuple(
            RollupTable(
                (database, table),
                (database, f"{table}_{format_duration(rollup.width)}"),
                duration_ns(rollup.width),
                tuple(dict.fromkeys((COUNT, *rollup.aggregates))),
                duration_ns(rollup.retention),
            )
            for rollup in self.rollups
        )

    @property
    def rollup_settings(self) -> Mapping[tuple[str, str], TableSettings]:
        """The settings of these tables in the store."""
        return {
            made.target: TableSettings(
                memory_retention=self.retention.memory,
                magnetic_retention=rollup.retention,
                magnetic_writes=True,
                from_config=True,
                zone=self.zone_template,
                dimensions=self.settings.dimensions,
            )
            for rollup, made in zip(self.rollups, self.rollup_tables, strict=True)
        }

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.each is not None and "." in self.each:
            refuse([Problem(("each",), _told_of_dot(self.each))])
        of_topic = templates.topic_dimensions(self.topics)
        refuse(self._dimension_problems(of_topic) + self._zone_problems(of_topic) + self._measure_problems(of_topic))
        return self

    def _is_topic_level(self, name: str, of_topic: tuple[str, ...]) -> bool:
        return name in of_topic or (self.takes_everything and is_numbered_level(name))

    def _dimension_problems(self, of_topic: tuple[str, ...]) -> list[Problem]:
        found = []
        for index, name in enumerate(self.dimensions):
            if self._is_topic_level(name, of_topic):
                found.append(Problem(("dimensions", index), f'"{name}" is a level of the MQTT topic already'))
            elif name in self.dimensions[:index]:
                found.append(Problem(("dimensions", index), f'"{name}" is listed twice'))
            elif name in self.measures:
                found.append(
                    Problem(("dimensions", index), f'"{name}" is a measure too; a payload field is one of them')
                )
        return found

    def _zone_problems(self, of_topic: tuple[str, ...]) -> list[Problem]:
        if self.zone_template is None:
            return []
        known = (*of_topic, *self.dimensions)
        unknown = [
            name
            for name in templates.zone_dimensions(self.zone_template)
            if name not in self.dimensions and not self._is_topic_level(name, of_topic)
        ]
        allowed = " ".join(known) or (
            "topic_1 topic_2 …" if self.takes_everything else "none, as the template names none"
        )
        return [
            Problem(("zone",), f'"{name}" is no dimension of this table; its dimensions are: {allowed}')
            for name in unknown
        ]

    def _measure_problems(self, of_topic: tuple[str, ...]) -> list[Problem]:
        found = []
        stored = self.units
        for payload_field, measure in self.measures.items():
            target = measure.name or payload_field
            path = ("measures", payload_field)
            try:
                names.check_measure(target)
            except ValueError as error:
                found.append(Problem(path, str(error)))
            if self._is_topic_level(target, of_topic) or (target in self.dimensions and payload_field != target):
                message = f'"{target}" is a dimension of this table; a measure is called otherwise'
                found.append(Problem((*path, "as") if measure.name else path, message))
            if self.time is not None and payload_field == self.time.field:
                found.append(Problem(path, f'"{payload_field}" is the time field; it cannot be a measure too'))
            other = stored.get(target)
            if measure.unit is not None and other is not None:
                conflict = _unit_conflict(measure.unit, other)
                if conflict is not None:
                    found.append(Problem((*path, "unit"), f'{conflict} (the unit of the measure "{target}")'))
        return found


def _unit_conflict(source: str, target: str) -> str | None:
    try:
        units.conversion(source, target)
    except ValueError as error:
        return str(error)
    return None


def _unknown_unit(unit: str) -> str | None:
    if unit in units.known_units():
        return None
    near = nearest(unit, units.known_units())
    hint = f"; did you mean {near}?" if near else ""
    return f'"{unit}" is not a unit known here{hint} Known: {" ".join(units.known_units())}'


DEFAULT_TABLE = Table(name="default.readings", topics=EVERYTHING)
