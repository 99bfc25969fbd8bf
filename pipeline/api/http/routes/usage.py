"""`/v1/usage`: what accounts write, store and ask for, and what it costs."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from pipeline.api.http import responses
from pipeline.api.http.credentials import Who
from pipeline.api.http.openapi import answers
from pipeline.api.http.problems import Problem, bad_parameter
from pipeline.api.http.services import Services, asker, services, who
from pipeline.api.http.slots import Asker
from pipeline.api.http.times import time_ns
from pipeline.api.inventory.usage import GIB, GROUPS, Asked, Line, lines, stored, total
from pipeline.config.roles import Role
from pipeline.stream.usage.counts import DAY_NS, UsagePart, Use, first_of_month
from store.names import DEFAULT_ACCOUNT
from store.values.times import rfc3339

router = APIRouter(prefix="/v1/usage", tags=["operations"])
ALL = "*"
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_LENGTH_OF_DATE = 10


@router.get("", summary="What was written, stored and scanned, and its cost", **answers(responses.Usage, 403, 504))
async def usage(
    parts: Annotated[Services, Depends(services)],
    who: Annotated[Who, Depends(who)],
    asker: Annotated[Asker, Depends(asker)],
    start: Annotated[
        str | None, Query(alias="from", description="the first day (UTC): a date or time; none: of this month")
    ] = None,
    to: Annotated[
        str | None, Query(description="the day after the last: a date or time; none: today is the last")
    ] = None,
    by: Annotated[str, Query(description="one line for each account, database, table and day; or of some of these")] = (
        ",".join(GROUPS)
    ),
    account: Annotated[str | None, Query(description="another than that of the token; * for all")] = None,
) -> responses.Usage:
    """Whole days in UTC; days of more than two months ago are added to the first of their month.

    Other accounts than its own are shown to a token of the account `default` with the role `admin`.
    """
    asked = _asked(who, start, to, by, account, parts.clock_ns())

    def answer() -> UsagePart:
        return parts.usage()

    part = await parts.lists.run(asker, answer, text="usage")
    found = lines(part, asked, parts.prices)
    use, cost = total(found)
    return {
        "from": _date(asked.from_day),
        "to": _date(asked.to_day),
        "currency": None if parts.prices is None else parts.prices.currency,
        "usage": [{**_names(line), **_numbers(line.use), "cost": _money(line.cost)} for line in found],
        "total": {**_numbers(use), "cost": _money(cost)},
        "stored": [
            {
                "account": of_account,
                "table": f"{database}.{table}",
                "memory_bytes": of.memory_bytes,
                "magnetic_bytes": of.magnetic_bytes,
            }
            for (of_account, database, table), of in stored(part, asked.account)
        ],
    }


def _asked(who: Who, start: str | None, to: str | None, by: str, account: str | None, now_ns: int) -> Asked:
    groups = [group for group in by.split(",") if group]
    if not groups or not set(groups) <= set(GROUPS):
        raise bad_parameter("by", by, f"some of {', '.join(GROUPS)}, with a comma between them")
    if account not in (None, who.account) and who.account != DEFAULT_ACCOUNT:
        raise Problem(
            403,
            f"this token is of the account {who.account}; other accounts are shown to {DEFAULT_ACCOUNT!r}",
            parameter="account",
        )
    if account not in (None, who.account):
        who.need(Role.ADMIN, "the usage of other accounts")
    today = now_ns // DAY_NS
    first = first_of_month(today) if start is None else _time_ns("from", start, now_ns) // DAY_NS
    last = today if to is None else (_time_ns("to", to, now_ns) - 1) // DAY_NS
    if last < first:
        raise bad_parameter("to", to or _date(last), f"it must be later than from, which is {_date(first)}")
    return Asked(None if account == ALL else account or who.account, first, last, groups)


def _time_ns(name: str, text: str, now_ns: int) -> int:
    return time_ns(name, f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text, now_ns)


def _date(day: int) -> str:
    return rfc3339(day * DAY_NS)[:_LENGTH_OF_DATE]


def _names(line: Line) -> responses.UsageNames:
    return {
        "account": line.account,
        "database": line.database,
        "table": line.table,
        "day": None if line.day is None else _date(line.day),
    }


def _numbers(use: Use) -> responses.UsageNumbers:
    return {
        "records": use.records,
        "written_bytes": use.written_bytes,
        "memory_gib_hours": round(use.memory_byte_s / GIB / 3600, 9),
        "magnetic_gib_hours": round(use.magnetic_byte_s / GIB / 3600, 9),
        "queries": use.queries,
        "scanned_bytes": use.scanned_bytes,
        "metered_bytes": use.metered_bytes,
    }


def _money(cost: object) -> str | None:
    """As text: a sum of money is not to be rounded by who reads it."""
    return None if cost is None else str(cost)
