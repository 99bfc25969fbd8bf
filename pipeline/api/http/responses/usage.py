"""Usage and what it costs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from pipeline.api.http.responses.common import Table, shown


class UsageNames(TypedDict):
    """What a line of usage is of; null is what the lines are not divided by."""

    account: Annotated[str | None, Field(description="of the data and of the queries")]
    database: Annotated[str | None, Field(description='"": queries that read no table')]
    table: Annotated[str | None, Field(description='"": queries that read no table')]
    day: Annotated[str | None, Field(description="a date, UTC")]


class UsageNumbers(TypedDict):
    """What was used."""

    records: Annotated[int, Field(description="written")]
    written_bytes: Annotated[int, Field(description="of these records: names and values, as Timestream counts them")]
    memory_gib_hours: Annotated[float, Field(description="GiB in the memory tier times hours")]
    magnetic_gib_hours: Annotated[float, Field(description="GiB in the magnetic tier times hours")]
    queries: Annotated[int, Field(description="that read rows")]
    scanned_bytes: Annotated[int, Field(description="by these queries")]
    metered_bytes: Annotated[int, Field(description="the same, at least 10 MB a query")]


Cost = Annotated[str | None, Field(description="a decimal number; null without `prices` in the configuration")]


class UsageLine(UsageNames, UsageNumbers):
    """The usage of one group."""

    cost: Cost


class UsageTotal(UsageNumbers):
    """The sum of all lines."""

    cost: Cost


class StoredTable(TypedDict):
    """The bytes of a table now."""

    account: Annotated[str, Field(description="of the table")]
    table: Table
    memory_bytes: Annotated[int, Field(description="its share of the memory tier")]
    magnetic_bytes: Annotated[int, Field(description="of its files in the magnetic tier")]


_USED = {
    "records": 120_000,
    "written_bytes": 15_120_000,
    "memory_gib_hours": 0.21,
    "magnetic_gib_hours": 3.4,
    "queries": 96,
    "scanned_bytes": 480_000_000,
    "metered_bytes": 1_130_000_000,
    "cost": "0.014082",
}


_USAGE = TypedDict(
    "_USAGE",
    {
        "from": Annotated[str, Field(description="the first day")],
        "to": Annotated[str, Field(description="the last day")],
        "currency": Annotated[str | None, Field(description="of the costs; null without `prices`")],
        "usage": list[UsageLine],
        "total": UsageTotal,
        "stored": Annotated[list[StoredTable], Field(description="now, whatever the days")],
    },
)


@shown(
    **{"from": "2026-11-01", "to": "2026-11-30"},
    currency="EUR",
    usage=[{"account": "default", "database": "agriculture", "table": "readings", "day": "2026-11-23"} | _USED],
    total=_USED,
    stored=[
        {
            "account": "default",
            "table": "agriculture.readings",
            "memory_bytes": 9_400_000,
            "magnetic_bytes": 151_000_000,
        }
    ],
)
class Usage(_USAGE):
    """Usage by lines, their sum, and what is stored now."""
