"""Rules: those in force, how they are doing, and an editor: errors as one types, and what a file would have raised."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.console.api import ApiRefused
from pipeline.console.chart import chart, seconds
from pipeline.console.site import Site, Visitor, form_of, site_of
from store.values.sql_text import quote_name, quote_string, quote_table

SPANS = {"1h": "hour", "6h": "6 hours", "1d": "day", "7d": "week", "30d": "30 days"}
MOST_SENSORS = 20
MOST_FOUND = 50
POINTS = 300  # of a picture
_PLACE = re.compile(r"rules(?::(\d+))?: (.*)", re.DOTALL)


async def rules(request: Request) -> Response:
    """The rules in force, and the editor."""
    site = site_of(request)
    visitor = await site.visitor(request)
    answer, schema, measures = await asyncio.gather(
        site.shared.get(visitor.token, "/v1/rules", fresh_s=2),
        site.shared.get(visitor.token, "/v1/rules/schema", fresh_s=3600),
        site.shared.get(visitor.token, "/v1/measures", fresh_s=10),
    )
    numbers = (one for one in measures["measures"] if one["type"] == "double")
    example = min(numbers, key=lambda one: one["measure"] != "temperature", default=None)
    file = request.query_params.get("file")
    return site.page(
        "rules.html",
        visitor,
        title="Rules",
        here="/rules",
        rules=answer["rules"],
        spans=SPANS,
        words=[*_keys(schema), *_names(measures["measures"])],
        text=None if file is None else await _text_of(site, visitor, file),
        example=example or {"table": "default.readings", "measure": "temperature"},
    )


async def _text_of(site: Site, visitor: Visitor, file: str) -> str:
    """A rule file in force. Raises ApiRefused, also if there is none of this name."""
    answer = await site.api.get(visitor.token, "/v1/rules/files")
    found = next((one["text"] for one in answer["files"] if one["file"] == file), None)
    if found is None:
        raise ApiRefused(404, {"detail": f"no rule file in force is named {file}"})
    return str(found)


def _keys(schema: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """The keys of rule files, each once, with what they are about."""
    found = {f"{name}: ": about for name, about in _properties(schema)}
    return [{"text": text, "about": about} for text, about in sorted(found.items())]


def _properties(schema: Any) -> Iterator[tuple[str, str]]:
    """The names and descriptions of all properties within a JSON schema."""
    if isinstance(schema, list):
        for part in schema:
            yield from _properties(part)
    elif isinstance(schema, Mapping):
        for name, part in schema.get("properties", {}).items():
            yield name, part.get("description", "")
        for part in (*schema.get("properties", {}).values(), *(schema.get(key) for key in ("items", "anyOf"))):
            yield from _properties(part)


def _names(measures: Sequence[Mapping[str, Any]]) -> list[Mapping[str, str]]:
    tables = dict.fromkeys(one["table"] for one in measures)
    units = {one["measure"]: one["unit"] or one["type"] for one in measures}
    return [
        *({"text": table, "about": "table"} for table in tables),
        *({"text": measure, "about": f"measure, {unit}"} for measure, unit in units.items()),
    ]


async def check(request: Request) -> Response:
    """What is wrong with the text of a rule file, and why its rules may never fire."""
    site, fields = site_of(request), await form_of(request)
    visitor = await site.visitor(request)
    answer = await site.api.post(visitor.token, "/v1/rules/check", {"text": _text(fields)})
    return _checked(site, visitor, answer["problems"], answer)


def _text(fields: Mapping[str, str]) -> str:
    return fields.get("text", "").replace("\r\n", "\n")


def _checked(
    site: Site, visitor: Visitor, problems: Sequence[str], answer: Mapping[str, Any] | None = None
) -> Response:
    places = [{"line": found[1], "text": found[2]} for found in map(_PLACE.fullmatch, problems) if found]
    return site.page("rules_checked.html", visitor, problems=places, checked=answer)


async def preview(request: Request) -> Response:
    """The alerts that the text would have raised."""
    site, fields = site_of(request), await form_of(request)
    visitor = await site.visitor(request)
    asked = {"text": _text(fields), "from": fields.get("from", "1d")}
    try:
        found = await site.api.post(visitor.token, "/v1/rules/backtest", asked)
    except ApiRefused as error:
        if "problems" not in error.problem:
            raise
        return _checked(site, visitor, error.problem["problems"])
    return site.page(
        "rules_preview.html",
        visitor,
        found=found,
        sensors=found["sensors"][:MOST_SENSORS],
        first=found["found"][:MOST_FOUND],
        picture=await _picture(site, visitor, found),
    )


async def _picture(site: Site, visitor: Visitor, found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The values of the one with most alerts; None: there is none, or it is not about values that a table has.

    Alerts beyond a number are counted and not in the answer. The picture ends where the first of them may be.
    """
    subjects = Counter((one["rule"], tuple(one["dimensions"].items())) for one in found["found"])
    if not subjects:
        return None
    ((subject, _),) = subjects.most_common(1)
    whole = len(found["found"]) == found["alerts"]
    until = found["until"] if whole else found["found"][-1]["fired"]
    alerts = [one for one in found["found"] if (one["rule"], tuple(one["dimensions"].items())) == subject]
    try:
        rows = await _values(site, visitor, alerts[0], found["from"], until)
    except ApiRefused:
        return None
    if not rows:
        return None
    times, low, mean, high = zip(*rows, strict=True)
    lines = [
        {"label": alerts[0]["measure"], "values": mean},
        {"label": "lowest", "values": low, "faint": True},
        {"label": "highest", "values": high, "faint": True},
    ]
    end_s = seconds(until)
    marks = [
        {"kind": "alert", "from": seconds(one["fired"]), "to": seconds(one["resolved"] or until)} for one in alerts
    ]
    bounds = {f"{name} {bound}": bound for one in alerts if one["measured"] for name, bound in one["bounds"].items()}
    drawn = chart(times, lines, band=(1, 2), bounds=bounds, marks=marks, span=(seconds(times[0]), end_s))
    until_shown = None if whole else until
    return {"chart": drawn, "rule": subject[0], "dimensions": alerts[0]["dimensions"], "until": until_shown}


async def _values(
    site: Site, visitor: Visitor, alert: Mapping[str, Any], start: str, until: str
) -> Sequence[Sequence[Any]]:
    """Time, lowest, average and highest value of the subject of an alert, in POINTS bins. Raises ApiRefused."""
    measure = quote_name(alert["measure"])
    where = [
        f"time >= from_iso8601_timestamp({quote_string(start)})",
        f"time < from_iso8601_timestamp({quote_string(until)})",
        f"{measure} IS NOT NULL",
        *(f"{quote_name(name)} = {quote_string(value)}" for name, value in alert["dimensions"].items()),
    ]
    source = f"FROM {quote_table(alert['table'])} WHERE {' AND '.join(where)}"

    async def rows(sql: str) -> Sequence[Sequence[Any]]:
        answer = await site.api.post(visitor.token, "/v1/query", {"sql": sql})
        return answer["rows"]  # type: ignore[no-any-return]  # JSON

    ((first, last),) = await rows(f"SELECT MIN(time), MAX(time) {source}")
    if first is None:
        return []
    of_bin = f"BIN(time, {max(1, round((seconds(last) - seconds(first)) / POINTS))}s)"
    aggregates = ", ".join(f"{name}({measure})" for name in ("MIN", "AVG", "MAX"))
    return await rows(f"SELECT {of_bin}, {aggregates} {source} GROUP BY {of_bin} ORDER BY 1")


async def download(request: Request) -> Response:
    """The text as a file."""
    fields = await form_of(request)
    headers = {"content-disposition": 'attachment; filename="rules.yaml"'}
    return Response(_text(fields), media_type="application/yaml", headers=headers)


ROUTES = (
    Route("/rules", rules),
    Route("/rules/check", check, methods=["POST"]),
    Route("/rules/preview", preview, methods=["POST"]),
    Route("/rules/download", download, methods=["POST"]),
)
