"""Streams of the transitions of alerts, as server-sent events (html.spec.whatwg.org, "Server-sent events").

Nothing is queued for a client. It gets its transitions from the archive, at most 100 at a time, as fast as it takes
them; one that takes none for too long is closed, and goes on where it was when it comes back. Whatever keeps events
from a client is told to it: an event `missed`, or `closed` before the end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import format_sse_event
from starlette.responses import StreamingResponse

from pipeline.alerting.archive.transition import Transition
from pipeline.api.http.event_streams import EVENTS, PING, PING_EVERY_S, SLOW_S, EventStream, too_slow, word
from pipeline.api.http.openapi import refusals
from pipeline.api.http.problems import Problem
from pipeline.api.http.routes.alert_life import shown_transition
from pipeline.api.http.services import Services, account, services
from pipeline.base import metrics
from pipeline.log.topics import ALERTS

router = APIRouter(prefix="/v1/alerts", tags=["alerts"])

LOOK_EVERY_S = 0.5
MOST_AT_ONCE = 100


@router.get(
    "/stream",
    summary="Transitions of alerts, as they happen",
    response_class=StreamingResponse,
    responses={200: {"description": "Server-sent events", "content": {EVENTS: {}}}, **refusals(503)},
)
async def stream(
    parts: Annotated[Services, Depends(services)],
    account: Annotated[str, Depends(account)],
    after: Annotated[int | None, Query(ge=0, lt=2**63, description="the id of the last event that is known")] = None,
    follow: Annotated[bool, Query(description="whether to wait for more; false: until there is no more")] = True,
    last_event_id: Annotated[
        int | None, Header(ge=0, lt=2**63, description="the same as `after`, sent by browsers")
    ] = None,
) -> StreamingResponse:
    """Each event has the transition as JSON, its kind as `event` and a number as `id`. Without `after`: from now on."""
    owner = await _other_owner(parts)
    if owner is not None:
        raise Problem(503, f"another worker keeps the alerts; ask it: {owner}/v1/alerts/stream")
    parts.streams.check(account, parts.limits)
    start = after if after is not None else last_event_id
    if start is None:
        start = parts.alerts.last_transition() if follow else 0
    return EventStream(parts.streams, account, events(parts, account, start, follow=follow))


async def events(
    parts: Services, account: str, after: int, *, follow: bool, now_s: Callable[[], float] = time.monotonic
) -> AsyncIterator[bytes]:
    """The events after this one, as bytes. The account is that of the client: it gets no event of another."""
    first = await asyncio.to_thread(parts.alerts.first_transition)
    after, missed = beginning(after, first, parts.alerts.last_transition())
    if missed is not None:
        yield word("missed", missed)
    looked, said_s = -1, now_s()
    while True:
        last = parts.alerts.last_transition()
        found: Sequence[Transition] = []
        if last > looked:
            found = await asyncio.to_thread(
                parts.alerts.transitions, account=account, after_seq=after, limit=MOST_AT_ONCE
            )
            looked = last if len(found) < MOST_AT_ONCE else looked
        for transition in found:
            data = orjson.dumps(shown_transition(transition)).decode()
            said_s = now_s()
            yield format_sse_event(data_str=data, event=transition.kind, id=str(transition.seq))
            after = transition.seq
            if now_s() - said_s > SLOW_S:
                metrics.http_streams_closed.labels("slow").inc()
                yield too_slow()
                return
        if found:
            continue
        if not follow:
            return
        if now_s() - said_s >= PING_EVERY_S:
            owner = await _other_owner(parts)
            if owner is not None:
                metrics.http_streams_closed.labels("moved").inc()
                yield word("closed", f"another worker keeps the alerts now; ask it: {owner}/v1/alerts/stream")
                return
            said_s = now_s()
            yield PING
        await asyncio.sleep(LOOK_EVERY_S)


def beginning(known: int, first: int, last: int) -> tuple[int, str | None]:
    """After which event to begin, and why events may be missing between the one that the client knows and those."""
    if known > last:
        return last, f"there is no event {known}: the archive was made anew; from here on with {last + 1}"
    if 0 < known < first - 1:
        return known, f"events up to {first - 1} are not kept any more; from here on with {first}"
    return known, None


async def _other_owner(parts: Services) -> str | None:
    owners = parts.topic_owners
    return None if owners is None else await asyncio.to_thread(owners.owner_of, ALERTS)
