"""Imports into the past, and deletions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from pipeline.api.http.responses.common import Table, one_of, shown
from store.record import MeasureType


@shown(table="farm.climate", state="counted", rows=17280, id=None, purge=False, detail="send confirm to delete them")
class Deletion(TypedDict):
    """Rows that are deleted, or would be."""

    table: Table
    state: Annotated[str, one_of("counted", "running", "done", "failed", description="how far it is")]
    rows: Annotated[int | None, Field(description="how many; null if that is not known (yet)")]
    id: Annotated[str | None, Field(description="for GET /v1/deletes/{id}; null if nothing is deleted")]
    purge: Annotated[bool, Field(description="also from files that only earlier versions of the table have")]
    detail: Annotated[str, Field(description="what the state means, or why it failed")]


class TargetColumn(TypedDict):
    """A column of the table of an import."""

    name: Annotated[str, Field(description="of the column")]
    kind: Annotated[str, one_of("dimension", "zone", "measure", description="what it is")]
    type: Annotated[str, one_of(*MeasureType, description="of its values; that of dimensions is varchar")]


@shown(table="farm.history", exists=True, columns=[{"name": "temperature", "kind": "measure", "type": "double"}])
class ImportTarget(TypedDict):
    """The table of an import."""

    table: Table
    exists: Annotated[bool, Field(description="whether there is such a table")]
    columns: Annotated[list[TargetColumn], Field(description="that rows have")]


class RejectedRows(TypedDict):
    """Rows of an import that were not stored, for one reason."""

    reason: Annotated[str, Field(description="why")]
    count: Annotated[int, Field(description="of these rows")]
    rows: Annotated[list[int], Field(description="the places of these rows in the request, from 0")]


class RunOfRows(TypedDict):
    """Successive rows of an import with the same outcome."""

    outcome: Annotated[str, one_of("new", "same", "replaced", "rejected", description="of each of them")]
    rows: Annotated[int, Field(description="how many they are")]


@shown(rows=250_000, new=250_000, same=0, replaced=0, runs=[{"outcome": "new", "rows": 250_000}], rejected=[])
class Imported(TypedDict):
    """What became of the rows of an import."""

    rows: Annotated[int, Field(description="of the request")]
    new: Annotated[int, Field(description="that were not there")]
    same: Annotated[int, Field(description="that were stored already, with the same values")]
    replaced: Annotated[int, Field(description="whose version is higher than that of the stored row")]
    runs: Annotated[list[RunOfRows], Field(description="the same, in the order of the request")]
    rejected: Annotated[list[RejectedRows], Field(description="that were not stored, by reason")]
