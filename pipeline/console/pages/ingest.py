"""What arrives: messages as they were sent and as they were understood, those that were rejected, and one to try."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pipeline.console.site import Site, Visitor, form_of, site_of

MOST_LETTERS = 25
DATA = "data: "


async def page(request: Request) -> Response:
    """All three."""
    site = site_of(request)
    visitor = await site.visitor(request)
    topic, reason = request.query_params.get("topic") or "#", request.query_params.get("reason") or None
    parameters = (("limit", str(MOST_LETTERS)), *((("reason", reason),) if reason else ()))
    letters = await site.api.get(visitor.token, "/v1/dead-letters", parameters)
    return site.page(
        "ingest.html",
        visitor,
        title="Ingest",
        here="/ingest",
        topic=topic,
        reason=reason,
        letters=letters["dead_letters"],
        messages=await _messages(site, visitor, topic),
    )


async def live(request: Request) -> Response:
    """The messages that match, as they arrive."""
    site = site_of(request)
    visitor = await site.visitor(request)
    topic = request.query_params.get("topic") or "#"

    async def render() -> Mapping[str, str]:
        messages = await _messages(site, visitor, topic)
        return {"messages": site.pages.render("ingest_messages.html", messages=messages)}

    return site.live(request, visitor, ("ingest", topic), render)


async def _messages(site: Site, visitor: Visitor, topic: str) -> list[Mapping[str, Any]]:
    """The newest messages that match, newest first."""
    parameters = (("mqtt_topic", topic), ("follow", "false"))
    events = await site.shared.get(visitor.token, "/v1/messages", parameters, text=True)
    found = [json.loads(line.removeprefix(DATA)) for line in events.splitlines() if line.startswith(DATA)]
    return [message for event in reversed(found) for message in reversed(event.get("messages", []))]


async def attempt(request: Request) -> Response:
    """What a message would become; nothing is stored."""
    site, fields = site_of(request), await form_of(request)
    visitor = await site.visitor(request)
    body = {"mqtt_topic": fields.get("mqtt_topic", ""), "payload": fields.get("payload", "")}
    understood = await site.api.post(visitor.token, "/v1/parse", body)
    return site.page("ingest_understood.html", visitor, message=understood)


async def replay(request: Request) -> Response:
    """Put one dead letter through the stream again."""
    site, fields = site_of(request), await form_of(request)
    visitor = await site.visitor(request)
    await site.api.post(visitor.token, "/v1/dead-letters/replay", {"ids": [fields.get("id", "")]})
    return RedirectResponse("/ingest", 303)


ROUTES = (
    Route("/ingest", page),
    Route("/ingest/live", live),
    Route("/ingest/try", attempt, methods=["POST"]),
    Route("/ingest/replay", replay, methods=["POST"]),
)
