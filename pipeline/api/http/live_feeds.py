"""What `/v1/live` and `/v1/messages` send, made once for all clients that ask for the same, while any of them is there.

A feed looks at the zones and devices at most twice a second, and for at most a tenth of the time. It keeps what it
found last as JSON, each zone and device with the number of the look at which it changed. So nothing is queued for a
client: one that was away for ten looks gets what has changed in them, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

import orjson
from fastapi.sse import format_sse_event

from pipeline.api.http import responses
from pipeline.api.http.problems import ANSWERS
from pipeline.api.http.showing import shown_device
from pipeline.api.inventory.arriving import MOST_MESSAGES
from pipeline.api.inventory.live import LivePart, LiveZone, Spread
from store.values.times import rfc3339

Fed = TypeVar("Fed")

LOOK_EVERY_S = 0.5
_REST = 9  # times as long as a look took, at least
FOR_NOW = tuple(kind for kind, answer in ANSWERS.items() if answer.status in {503, 504})  # the next look may succeed


@dataclass(slots=True)
class Entries:
    """Things by their key, each with its JSON, and the number of the look at which it changed."""

    _known: dict[Hashable, tuple[object, int, bytes]] = field(default_factory=dict)

    def take(self, look: int, found: dict[Hashable, tuple[object, Callable[[], object]]]) -> None:
        """Take over what was found at a look: each thing, and what clients get of it."""
        before = self._known
        self._known = {}
        for key, (thing, shown) in found.items():
            known = before.get(key)
            same = known is not None and known[0] == thing
            self._known[key] = known if known and same else (thing, look, orjson.dumps(shown()))

    def since(self, look: int) -> bytes:
        """The JSON of those that have changed after this look, with commas between."""
        return b",".join(written for _, changed, written in self._known.values() if changed > look)


class ZoneFeed:
    """Zones and devices of one request. `looks` counts the looks so far."""

    def __init__(self) -> None:
        self.looks = 0
        self._zones = Entries()
        self._devices = Entries()
        self._counts: tuple[int, float | None] = 0, None
        self._counts_changed = 0
        self._records: tuple[int, float] | None = None  # applied at the time of the last look
        self._events: dict[int, dict[str, bytes]] = {}  # by the look that a client knows

    def take(self, part: LivePart, now_s: float) -> None:
        """Take over what was found at the next look."""
        self.looks += 1
        self._events.clear()
        self._zones.take(self.looks, {zone.key: (zone, partial(_shown_zone, zone)) for zone in part.zones})
        devices = {(of.database, of.table, of.dimensions, of.measure_name): of for of in part.devices}
        self._devices.take(self.looks, {key: (of, partial(shown_device, of)) for key, of in devices.items()})
        counts = part.series, self._rate(part.records, now_s)
        if counts != self._counts:
            self._counts, self._counts_changed = counts, self.looks

    def _rate(self, records: int, now_s: float) -> float | None:
        """Records a second since the last look; None at the first one, and after a worker has started anew."""
        before, self._records = self._records, (records, now_s)
        if before is None or records < before[0] or now_s <= before[1]:
            return None
        return round((records - before[0]) / (now_s - before[1]), 1)

    def since(self, look: int) -> dict[str, bytes]:
        """The events with what has changed after this look, by their kind; made once for all clients that know it."""
        found = self._events.get(look)
        if found is None:
            data = {"zones": self._zones_since(look), "devices": self._devices_since(look)}
            made = {kind: of for kind, of in data.items() if of is not None}
            found = {kind: format_sse_event(data_str=of.decode(), event=kind) for kind, of in made.items()}
            self._events[look] = found
        return found

    def _zones_since(self, look: int) -> bytes | None:
        found = self._zones.since(look)
        return b'{"zones":[%b]}' % found if found or not look else None

    def _devices_since(self, look: int) -> bytes | None:
        found = self._devices.since(look)
        if not found and self._counts_changed <= look:
            return None
        series, rate = self._counts
        return b'{"series":%d,"records_per_second":%b,"devices":[%b]}' % (series, orjson.dumps(rate), found)


def _shown_zone(zone: LiveZone) -> responses.LiveZone:
    return {
        "table": f"{zone.database}.{zone.table}",
        "zone": zone.zone,
        "sensors": zone.sensors,
        "last_time": rfc3339(zone.last_ns),
        "measures": {name: _shown_spread(spread) for name, spread in zone.measures.items()},
    }


def _shown_spread(spread: Spread) -> responses.LiveMeasure:
    """What is not finite is written as null."""
    return {
        "average": spread.sum / spread.count,
        "min": spread.min,
        "max": spread.max,
        "count": spread.count,
    }


class AlertFeed:
    """The first transition of alerts that is kept, and the last one that there was."""

    first = 1
    last = 0


class MessageFeed:
    """The newest messages of one account and filter.

    looks    how many there were
    counted  how many messages matched so far, and how many frames were not read
    """

    def __init__(self) -> None:
        self.looks = 0
        self.counted = 0, 0
        self._newest: deque[tuple[int, bytes]] = deque(maxlen=MOST_MESSAGES)  # with their look

    def take(self, newest: list[bytes], matched: int, unread_frames: int) -> None:
        """Take over what was found at the next look: messages as JSON, and the counts of all."""
        self.looks += 1
        self._newest.extend((self.looks, message) for message in newest)
        self.counted = self.counted[0] + matched, self.counted[1] + unread_frames

    def since(self, look: int, counted: tuple[int, int]) -> bytes | None:
        """The data of an event with what came after this look, when so much was counted; None: nothing."""
        if counted == self.counted and look:
            return None
        newest = b",".join(message for of_look, message in self._newest if of_look > look)
        matched, unread = (now - before for now, before in zip(self.counted, counted, strict=True))
        return b'{"messages":[%b],"matched":%d,"unread_frames":%d}' % (newest, matched, unread)


class Followed(Generic[Fed]):
    """A feed that is looked after as long as somebody follows it.

    trouble  why the last look found nothing; None: it did
    """

    def __init__(self, feed: Fed, look: Callable[[Fed], Awaitable[None]]) -> None:
        self.feed = feed
        self.followers = 0
        self.trouble: str | None = None
        self._look = look
        self._began = asyncio.Event()
        self._looking = asyncio.create_task(self._look_on())

    async def begun(self) -> None:
        """Return after the first look. Raises what ended the looking, if that is unexpected."""
        waiting = asyncio.create_task(self._began.wait())
        await asyncio.wait([waiting, self._looking], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        self.check()

    def check(self) -> None:
        """Raises what ended the looking, if that is unexpected."""
        if self._looking.done():
            self._looking.result()

    def end(self) -> None:
        """Look no more."""
        self._looking.cancel()

    async def _look_on(self) -> None:
        while True:
            began_s = time.monotonic()
            try:
                await self._look(self.feed)
                self.trouble = None
            except FOR_NOW as error:
                self.trouble = str(error)
            self._began.set()
            took_s = time.monotonic() - began_s
            await asyncio.sleep(max(LOOK_EVERY_S, _REST * took_s))


class Feeds(Generic[Fed]):
    """Feeds by what they are of. Used from HTTP's event loop."""

    def __init__(self, new: Callable[[], Fed]) -> None:
        self._new = new
        self._followed: dict[Hashable, Followed[Fed]] = {}

    @contextlib.contextmanager
    def followed(self, key: Hashable, look: Callable[[Fed], Awaitable[None]]) -> Iterator[Followed[Fed]]:
        """The feed of `key`, until the end of the block; the first one to follow it says how to look."""
        found = self._followed.get(key)
        if found is None:
            found = self._followed[key] = Followed(self._new(), look)
        found.followers += 1
        try:
            yield found
        finally:
            found.followers -= 1
            if not found.followers:
                found.end()
                del self._followed[key]

    def __len__(self) -> int:
        return len(self._followed)


@dataclass(frozen=True, slots=True)
class LiveFeeds:
    """The feeds of all clients: of zones by request, of alerts by account, of messages by account and filter."""

    zones: Feeds[ZoneFeed] = field(default_factory=lambda: Feeds(ZoneFeed))
    alerts: Feeds[AlertFeed] = field(default_factory=lambda: Feeds(AlertFeed))
    messages: Feeds[MessageFeed] = field(default_factory=lambda: Feeds(MessageFeed))
