"""A device: when it was heard, how often, its last values, and its last messages as sent beside what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.console.live_messages import LiveMessages
from pipeline.console.site import Site, Visitor, site_of
from store.values.sql_text import quote_name, quote_string, quote_table

MOST_SERIES = 50
MOST_LETTERS = 20
RATE_MINUTES = 15


async def device(request: Request) -> Response:
    """The series with these dimensions of a table, and what their device has sent."""
    site = site_of(request)
    visitor = await site.visitor(request)
    table, dimensions = request.query_params.get("table", ""), request.query_params.getlist("dimension")
    chosen = (("table", table), *(("dimension", one) for one in dimensions), ("limit", str(MOST_SERIES)))
    found = await site.shared.get(visitor.token, "/v1/series", chosen)
    topic = next((one["mqtt_topic"] for one in found["series"] if one["mqtt_topic"]), None)
    rows, letters, messages = await asyncio.gather(
        _rows(site, visitor, table, dimensions), _letters(site, visitor, topic), _messages(site, visitor, topic)
    )
    return site.page(
        "device.html",
        visitor,
        title="Device",
        here="/devices",
        table=table,
        dimensions=dimensions,
        series=found["series"],
        topic=topic,
        per_minute=rows / RATE_MINUTES,
        rate_minutes=RATE_MINUTES,
        letters=letters["dead_letters"],
        more_letters=letters["next"] is not None,
        messages=messages,
    )


async def _rows(site: Site, visitor: Visitor, table: str, dimensions: Sequence[str]) -> int:
    """How many rows of the device have times in the last minutes."""
    pairs = [one.partition("=")[::2] for one in dimensions]
    wanted = "".join(f" AND {quote_name(dimension)} = {quote_string(value)}" for dimension, value in pairs)
    recent = f"time > ago({RATE_MINUTES}m){wanted}"
    sql = f"SELECT count(*) AS n FROM {quote_table(table)} WHERE {recent}"  # noqa: S608  # quoted
    answer = await site.api.post(visitor.token, "/v1/query", {"sql": sql})
    return int(answer["rows"][0][0])


async def _letters(site: Site, visitor: Visitor, topic: str | None) -> Mapping[str, Any]:
    """What was rejected of the device, if its MQTT topic is known whole."""
    if topic is None or set("+#") & set(topic):
        return {"dead_letters": (), "next": None}
    parameters = (("mqtt_topic", topic), ("limit", str(MOST_LETTERS)))
    letters: Mapping[str, Any] = await site.shared.get(visitor.token, "/v1/dead-letters", parameters)
    return letters


async def _messages(site: Site, visitor: Visitor, topic: str | None) -> Sequence[Mapping[str, Any]]:
    """The newest of the device, as sent and as understood."""
    if topic is None:
        return ()
    arriving = LiveMessages(site.api, visitor.token, topic)
    await arriving.look()
    return arriving.newest


ROUTES = (Route("/device", device),)
