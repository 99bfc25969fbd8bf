"""`/v1/live`: zones, devices and alerts as they change, as server-sent events, at most two of a kind a second.

What is sent is made once for all clients that ask for the same (`live_feeds`). A client gets what has changed since it
took the event before; one that takes none for too long is closed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import format_sse_event
from starlette.responses import StreamingResponse

from pipeline.api.http.event_streams import EventStream, word
from pipeline.api.http.live_feeds import AlertFeed, Followed, ZoneFeed
from pipeline.api.http.openapi import events_of, refusals
from pipeline.api.http.problems import bad_parameter
from pipeline.api.http.routes.alert_life import shown_transition
from pipeline.api.http.routes.alert_stream import beginning
from pipeline.api.http.services import Services, account, services
from pipeline.api.http.slots import Asker
from pipeline.api.http.sources import Source, sent
from pipeline.api.http.times import duration_ns
from pipeline.api.inventory.live import LiveRequest
from pipeline.api.inventory.transitions import TransitionsPart, TransitionsRequest

router = APIRouter(prefix="/v1/live", tags=["live"])

MOST_NAMES = 200  # zones, and measures, of one request
MOST_TRANSITIONS = 100  # of an event

Kind = Literal["zones", "devices", "alerts"]
Ask = Callable[[TransitionsRequest], TransitionsPart]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client asks for: kinds of events, and after which transition of alerts; None: from now on."""

    kinds: frozenset[Kind]
    zones: LiveRequest
    after: int | None


@router.get(
    "",
    summary="Zones, devices and alerts, as they change",
    response_class=StreamingResponse,
    responses={200: events_of("LiveZones", "LiveDevices", "LiveAlerts"), **refusals(503)},
)
async def live(
    parts: Annotated[Services, Depends(services)],
    account: Annotated[str, Depends(account)],
    kinds: Annotated[
        list[Kind] | None, Query(alias="of", description="zones, devices, alerts; all where absent")
    ] = None,
    table: Annotated[str | None, Query(description="only this database.table")] = None,
    zone: Annotated[list[str] | None, Query(description="only these zones; at most 200")] = None,
    measure: Annotated[
        list[str] | None, Query(description="only these measures; where absent, the first 16 numbers of a table")
    ] = None,
    within: Annotated[str, Query(description="last values of sensors that are older do not count")] = "15m",
    devices: Annotated[int, Query(ge=0, le=1000, description="how many of those heard last")] = 20,
    after: Annotated[int | None, Query(ge=0, lt=2**63, description="the id of the last event that is known")] = None,
    follow: Annotated[bool, Query(description="whether to wait for changes; false: how things are now")] = True,
    last_event_id: Annotated[
        int | None, Header(ge=0, lt=2**63, description="the same as `after`, sent by browsers")
    ] = None,
) -> StreamingResponse:
    """The first events have everything that is asked for, those after them what has changed, at most two of a kind a
    second: `zones` with the last values of their sensors, `devices`, and `alerts` with transitions.

    Events of alerts have an id, with which a client that comes back misses none.
    """
    for name, given in (("zone", zone), ("measure", measure)):
        if given is not None and len(given) > MOST_NAMES:
            raise bad_parameter(name, f"{len(given)} names", f"at most {MOST_NAMES} in a request")
    within_ns = duration_ns("within", within)
    parts.streams.check(account, parts.limits)
    zones, measures = (tuple(sorted(set(given or ()))) for given in (zone, measure))
    request = LiveRequest(account, table, zones, measures, within_ns, devices)
    known = after if after is not None else last_event_id
    wanted = Wanted(frozenset(kinds or ("zones", "devices", "alerts")), request, known)
    return EventStream(parts.streams, account, events(parts, wanted, follow=follow))


async def events(
    parts: Services, wanted: Wanted, *, follow: bool, now_s: Callable[[], float] = time.monotonic
) -> AsyncIterator[bytes]:
    """The events for a client, as bytes."""
    with ExitStack() as following:
        sources: list[Source] = []
        if wanted.kinds & {"zones", "devices"}:
            zones = parts.live.zones.followed(wanted.zones, lambda feed: _look_at_zones(parts, wanted.zones, feed))
            sources.append(_Zones(following.enter_context(zones), wanted.kinds))
        if "alerts" in wanted.kinds:
            account = wanted.zones.account
            alerts = parts.live.alerts.followed(account, lambda feed: _look_at_alerts(parts, account, feed))
            sources.append(_Alerts(following.enter_context(alerts), parts.transitions, account, wanted.after))
        async for event in sent(sources, follow=follow, now_s=now_s):
            yield event


async def _look_at_zones(parts: Services, request: LiveRequest, feed: ZoneFeed) -> None:
    found = await parts.lists.run(Asker(request.account), lambda: parts.directory.live(request), text="live")
    feed.take(found, time.monotonic())


async def _look_at_alerts(parts: Services, account: str, feed: AlertFeed) -> None:
    found = await asyncio.to_thread(parts.transitions, TransitionsRequest(account, 0, 0))
    feed.first, feed.last = found.first, found.last


class _Zones(Source):
    """The events `zones` and `devices` for one client."""

    def __init__(self, followed: Followed[ZoneFeed], kinds: frozenset[Kind]) -> None:
        super().__init__(followed)
        self._kinds = kinds
        self._known = 0  # look

    async def news(self) -> AsyncIterator[bytes]:
        """See `Source`."""
        feed: ZoneFeed = self.followed.feed
        if feed.looks == self._known:
            return
        known, self._known = self._known, feed.looks
        for kind, event in feed.since(known).items():
            if kind in self._kinds:
                yield event


class _Alerts(Source):
    """The events `alerts` for one client: transitions, at most MOST_TRANSITIONS in one."""

    def __init__(self, followed: Followed[AlertFeed], ask: Ask, account: str, after: int | None) -> None:
        """`after`: the transition that the client knows; None: those from now on."""
        super().__init__(followed)
        self._ask = ask
        self._account = account
        self._known = after
        self._after: int | None = None  # once it has begun

    async def news(self) -> AsyncIterator[bytes]:
        """See `Source`."""
        feed: AlertFeed = self.followed.feed
        if self._after is None:
            known = feed.last if self._known is None else self._known
            self._after, missed = beginning(known, feed.first, feed.last)
            if missed is not None:
                yield word("missed", missed)
        while self._after < feed.last:
            request = TransitionsRequest(self._account, self._after, MOST_TRANSITIONS)
            found = await asyncio.to_thread(self._ask, request)
            self._after = max(self._after, found.last)
            if len(found.transitions) == MOST_TRANSITIONS:  # there may be more
                self._after = found.transitions[-1].seq
            if found.transitions:
                data = orjson.dumps({"transitions": [shown_transition(one) for one in found.transitions]})
                yield format_sse_event(data_str=data.decode(), event="alerts", id=str(found.transitions[-1].seq))
