"""What arrives: messages as they were sent and as they were understood, those that were rejected, and one to try."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pipeline.console.live_messages import LiveMessages
from pipeline.console.site import form_of, site_of

MOST_LETTERS = 25


async def page(request: Request) -> Response:
    """All three."""
    site = site_of(request)
    visitor = await site.visitor(request)
    topic, reason = request.query_params.get("topic") or "#", request.query_params.get("reason") or None
    parameters = (("limit", str(MOST_LETTERS)), *((("reason", reason),) if reason else ()))
    letters = await site.api.get(visitor.token, "/v1/dead-letters", parameters)
    arriving = LiveMessages(site.api, visitor.token, topic)
    await arriving.look()
    return site.page(
        "ingest.html",
        visitor,
        title="Ingest",
        here="/ingest",
        topic=topic,
        reason=reason,
        letters=letters["dead_letters"],
        messages=arriving.newest,
    )


async def live(request: Request) -> Response:
    """The messages that match, as they arrive."""
    site = site_of(request)
    visitor = await site.visitor(request)
    topic = request.query_params.get("topic") or "#"
    arriving = LiveMessages(site.api, visitor.token, topic)

    async def render() -> Mapping[str, str]:
        await arriving.heard()
        return {"messages": site.pages.render("ingest_messages.html", messages=arriving.newest)}

    return site.live(request, visitor, ("ingest", topic), render, arriving)


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
