"""`/v1/measures`: the measures of each table with type and unit, and changes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from pipeline.api.http import responses
from pipeline.api.http.credentials import Who
from pipeline.api.http.openapi import OF_BODIES, answers
from pipeline.api.http.problems import Problem
from pipeline.api.http.services import Services, asker, services, who
from pipeline.api.http.slots import Asker
from pipeline.api.inventory.directory import is_asked
from pipeline.config.roles import Role
from store.catalog.adopt import RETYPES
from store.catalog.catalog import TableInfo
from store.catalog.schema import Column, TableSchema
from store.errors import UnknownDatabase, UnknownTable
from store.record import MeasureType, TableId
from store.table.column_work import restate_unit, retype
from store.values.times import rfc3339

router = APIRouter(prefix="/v1/measures", tags=["measures"])

Parts = Annotated[Services, Depends(services)]
Asking = Annotated[Asker, Depends(asker)]


@router.get(
    "", summary="The measures, by table: type, unit, and what they were before", **answers(responses.Measures, 404, 504)
)
async def measures(
    parts: Parts, asker: Asking, table: Annotated[str | None, Query(description="only this database.table")] = None
) -> responses.Measures:
    """`since` is when the type or unit was changed, null if it never was; `earlier` are those that older rows have."""

    def answer() -> responses.Measures:
        tables = [info for info in parts.store.catalog.tables(asker.account) if is_asked(info.table, table)]
        if table is not None and not tables:
            raise UnknownTable(f"there is no table {table}; /v1/zones lists those with rows")
        with parts.store.snapshot(asker.account) as snapshot:
            snapshot.look_for_newest()
            found = [(info, snapshot.schema(info.table.database, info.table.table)) for info in tables]
        return {"measures": [entry for info, schema in found for entry in _measures(info, schema)]}

    return await parts.lists.run(asker, answer, text="measures")


class Retype(BaseModel):
    """Which measure is to have which type."""

    model_config = ConfigDict(extra="forbid")
    table: str = Field(description="database.table", pattern=r"^[^.]+\..+$")
    measure: str
    type: str = Field(description=f"one of {', '.join(RETYPES)}")


@router.post(
    "/retype",
    summary="Give a measure another type, from now on and in older rows as they are read",
    **answers(responses.Measure, 403, 404, *OF_BODIES, 504),
)
async def retype_measure(
    parts: Parts, who: Annotated[Who, Depends(who)], asker: Asking, body: Retype
) -> responses.Measure:
    """Stored rows are not rewritten: older values are cast when they are read, and those that cannot be cast are
    read as `<measure>_<type>` (`_text` for varchar). The change is permanent; every worker knows it within a second.
    """
    who.need(Role.WRITE, "retyping")
    if body.type not in RETYPES:
        raise Problem(400, f"type={body.type} is not possible: one of {', '.join(RETYPES)}", parameter="type")
    kind = MeasureType(body.type)
    return await _changed(parts, asker, body, lambda table: retype(parts.store, table, body.measure, kind))


class Unit(BaseModel):
    """Which unit older values of a measure were in."""

    model_config = ConfigDict(extra="forbid")
    table: str = Field(description="database.table", pattern=r"^[^.]+\..+$")
    measure: str
    unit: str


@router.post(
    "/unit",
    summary="State in which unit the older values of a measure really are",
    **answers(responses.Measure, 403, 404, *OF_BODIES, 504),
)
async def restate(parts: Parts, who: Annotated[Who, Depends(who)], asker: Asking, body: Unit) -> responses.Measure:
    """After the configuration has got another unit: for when the one before was wrong. Older values are then
    converted from this one, or, where it is the present one, taken as they are.
    """
    who.need(Role.WRITE, "a change of units")
    return await _changed(parts, asker, body, lambda table: restate_unit(parts.store, table, body.measure, body.unit))


async def _changed(
    parts: Services, asker: Asker, body: Retype | Unit, work: Callable[[TableId], tuple[TableInfo, TableSchema]]
) -> responses.Measure:
    table = TableId(asker.account, *body.table.split(".", 1))

    def answer() -> responses.Measure:
        try:
            info, schema = work(table)
        except (UnknownDatabase, UnknownTable) as error:
            raise UnknownTable(f"there is no table {body.table}") from error
        return next(entry for entry in _measures(info, schema) if entry["measure"] == body.measure)

    return await parts.lists.run(asker, answer, text="a change of measures")


def _measures(info: TableInfo, schema: TableSchema) -> list[responses.Measure]:
    table, units = f"{info.table.database}.{info.table.table}", {**info.changes.units, **info.settings.units}
    return [
        {
            "table": table,
            "measure": column.name,
            "type": column.type.value,
            "unit": units.get(column.name),
            "since": None if (since_ns := info.changes.since_ns.get(column.name)) is None else rfc3339(since_ns),
            "earlier": {"types": _earlier_types(schema, column), "units": _earlier_units(info, column.name, units)},
        }
        for column in schema.columns
        if column.kind == "measure"
    ]


def _earlier_types(schema: TableSchema, column: Column) -> list[str]:
    same = (other for other in schema.scanned if other.kind == "measure" and other.name == column.name)
    return sorted({other.type.value for other in same} - {column.type.value})


def _earlier_units(info: TableInfo, name: str, units: Mapping[str, str]) -> list[str]:
    eras = (of_era for of_stream in info.changes.eras.values() for _, of_era in of_stream)
    return sorted({of_era[name] for of_era in eras if name in of_era} - {units.get(name, "")})
