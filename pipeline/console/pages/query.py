"""SQL: a statement, its result as table, chart and file, and an error where it is in the text."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import groupby
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from pipeline.console.api import ApiRefused
from pipeline.console.chart import chart
from pipeline.console.site import Site, Visitor, form_of, site_of
from store.values.sql_text import quote_name, quote_table

MOST_ROWS = 1000  # on the page; files have all
NUMBERS = {"double", "bigint", "integer"}
FILES = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
SCANNED = "streamgauge-scanned-bytes"
MOST_TABLES = 20  # whose columns the editor completes
KEYWORDS = (
    *("SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "HAVING", "LIMIT", "WITH", "AS", "AND", "OR", "NOT", "IN"),
    *("BETWEEN", "LIKE", "IS NULL", "DISTINCT", "CASE WHEN", "THEN", "ELSE", "END", "JOIN", "LEFT JOIN", "ON", "OVER"),
    *("PARTITION BY", "UNION ALL", "DESC", "ASC", "INTERVAL", "EXPLAIN", "SHOW TABLES", "DESCRIBE"),
)
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_PLACE = re.compile(r"\bline (\d+):(\d+)")
_WORD = re.compile(r'"[^"\n]*"|\w+|\S')
EXAMPLE = """SELECT zone_name, BIN(time, 1m) AS t, AVG({measure}) AS mean
FROM {table}
WHERE time > ago(1h)
GROUP BY zone_name, BIN(time, 1m)
ORDER BY t"""


async def page(request: Request) -> Response:
    """The editor, with a statement to begin with, and the tables there are."""
    site = site_of(request)
    visitor = await site.visitor(request)
    answer, functions = await asyncio.gather(
        site.shared.get(visitor.token, "/v1/measures", fresh_s=10),
        site.shared.get(visitor.token, "/v1/functions", fresh_s=3600),
    )
    tables = {
        table: list(measures) for table, measures in groupby(answer["measures"], key=lambda measure: measure["table"])
    }
    words = [*await _columns(site, visitor, [*tables][:MOST_TABLES]), *_names(tables, functions["functions"])]
    sql = request.query_params.get("sql") or _example(tables)
    return site.page("query.html", visitor, title="Query", here="/query", tables=tables, sql=sql, words=words)


async def _columns(site: Site, visitor: Visitor, tables: Sequence[str]) -> list[Mapping[str, str]]:
    """The columns of the tables, each name once; as an import would meet them, which is how the API tells them."""
    asked = (site.shared.get(visitor.token, "/v1/import", (("table", table),), fresh_s=60) for table in tables)
    found = {column["name"]: column for answer in await asyncio.gather(*asked) for column in answer["columns"]}
    return [
        {"text": name if _PLAIN.fullmatch(name) else quote_name(name), "about": f"{column['kind']}, {column['type']}"}
        for name, column in found.items()
    ]


def _names(tables: Iterable[str], functions: Iterable[str]) -> list[Mapping[str, str]]:
    return [
        *({"text": name, "about": "column"} for name in ("time", "measure_name")),
        *({"text": quote_table(table), "about": "table"} for table in tables),
        *({"text": f"{name}(", "about": "function"} for name in functions),
        *({"text": f"{word} ", "about": ""} for word in KEYWORDS),
    ]


def _example(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    for table, measures in tables.items():
        for measure in measures:
            if measure["type"] == "double":
                return EXAMPLE.format(table=quote_table(table), measure=f'"{measure["measure"]}"')
    return "SHOW TABLES"


async def run(request: Request) -> Response:
    """The result of a statement, or what is wrong with it."""
    site, fields = site_of(request), await form_of(request)
    visitor = await site.visitor(request)
    sql = fields.get("sql", "").replace("\r\n", "\n")
    asked = f"EXPLAIN {sql}" if fields.get("explain") else sql
    try:
        response = await site.api.answer(visitor.token, "/v1/query", {"sql": asked, "rows": MOST_ROWS})
    except ApiRefused as error:
        shift = len(asked) - len(sql)
        return site.page("query_error.html", visitor, problem=str(error), **marked(sql, str(error), shift))
    answer, scanned = response.json(), response.headers.get(SCANNED)
    columns, rows = answer["columns"], answer["rows"]
    shown = {"columns": columns, "rows": rows, "truncated": answer["truncated"], "scanned": scanned and int(scanned)}
    return site.page("query_result.html", visitor, picture=picture(columns, rows), **shown)


def marked(sql: str, problem: str, shift: int = 0) -> dict[str, Any]:
    """The statement before, in and after the word at the place that the problem names; without a place, all before it.

    `shift` is the number of characters that were put before the statement, in its first line.
    """
    place = _PLACE.search(problem)
    if place is None:
        return {"before": sql, "word": "", "after": "", "start": None}
    line, column = int(place[1]), int(place[2])
    lines = sql.split("\n")
    start = sum(len(one) + 1 for one in lines[: line - 1]) + column - 1 - (shift if line == 1 else 0)
    start = max(0, min(start, len(sql)))
    found = _WORD.match(sql, start)
    end = found.end() if found else start
    return {"before": sql[:start], "word": sql[start:end] or "⟨end⟩", "after": sql[end:], "start": start, "end": end}


def picture(columns: Sequence[Mapping[str, str]], rows: Sequence[Sequence[Any]]) -> dict[str, Any] | None:
    """A chart of the numbers over the first column of times, one line for each text beside them; None: no such columns.

    At most eight lines.
    """
    times = [place for place, column in enumerate(columns) if column["type"] == "timestamp"]
    numbers = [place for place, column in enumerate(columns) if column["type"] in NUMBERS]
    names = [place for place, column in enumerate(columns) if column["type"] == "varchar"]
    moments = sorted({row[times[0]] for row in rows if row[times[0]] is not None}) if times else []
    if len(moments) < 2 or not numbers:
        return None
    lines: dict[str, dict[str, Any]] = {}
    for row in rows:
        of = " ".join(str(row[place]) for place in names)
        for place in numbers:
            label = " ".join(filter(None, (of, columns[place]["name"] if len(numbers) > 1 or not of else "")))
            value = row[place]
            lines.setdefault(label, {})[row[times[0]]] = None if isinstance(value, str) else value
    return chart(
        moments,
        [
            {"label": label, "values": [values.get(moment) for moment in moments]}
            for label, values in list(lines.items())[:8]
        ],
    )


async def download(request: Request) -> Response:
    """The result as a file, as it is made."""
    site, fields = site_of(request), await form_of(request)
    visitor = await site.visitor(request)
    form = fields.get("format", "csv")
    if form not in FILES:
        raise ApiRefused(400, {"detail": f"format={form} is not possible: one of {', '.join(FILES)}"})
    opened = AsyncExitStack()
    answer = await opened.enter_async_context(
        site.api.download(visitor.token, "/v1/query", {"sql": fields.get("sql", ""), "format": form})
    )

    async def chunks() -> AsyncIterator[bytes]:
        async with opened:
            async for chunk in answer.aiter_bytes():
                yield chunk

    headers = {"content-disposition": f'attachment; filename="query.{form}"'}
    return StreamingResponse(chunks(), media_type=FILES[form], headers=headers)


ROUTES = (
    Route("/query", page),
    Route("/query/run", run, methods=["POST"]),
    Route("/query/download", download, methods=["POST"]),
)
