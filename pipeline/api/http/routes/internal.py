"""`/internal/…`: requests between workers of one group. Not a public interface; not on the API page.

Bodies are MessagePack. 401: wrong token of workers. 412: another magnetic tier. 409: this worker does not own, or not
yet, what was asked for. Responses are computed in their own threads: a query that holds one of the query slots waits
for another worker's response here, which must not wait for a slot itself.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from typing import Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse, Response

from pipeline.api.http.services import Internal, services_of
from pipeline.api.inventory.latest import LatestRequest
from pipeline.api.inventory.live import LiveRequest
from pipeline.api.inventory.search import SeriesRequest
from pipeline.api.inventory.shared import InventoryRequest
from pipeline.api.inventory.transitions import TransitionsRequest
from pipeline.base.errors import NotOwned
from pipeline.cluster.client import NOT_OWNED, TIER
from pipeline.cluster.deletes import DeleteRequest, deleted_here
from pipeline.cluster.outcomes import OutcomeRequest, encode_outcome, outcome_here

T = TypeVar("T")
_outcome_decoder = msgspec.msgpack.Decoder(OutcomeRequest)
_delete_decoder = msgspec.msgpack.Decoder(DeleteRequest)
_inventory_decoder = msgspec.msgpack.Decoder(InventoryRequest)
_latest_decoder = msgspec.msgpack.Decoder(LatestRequest)
_search_decoder = msgspec.msgpack.Decoder(SeriesRequest)
_live_decoder = msgspec.msgpack.Decoder(LiveRequest)
_transitions_decoder = msgspec.msgpack.Decoder(TransitionsRequest)


async def internal(request: Request) -> Internal:
    """The functions for other workers, after authentication. Raises Refused."""
    found = services_of(request).internal
    assert found is not None
    token = found.access.token
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if token is not None and not hmac.compare_digest(given.encode(), token.encode()):
        raise Refused(401, "this is for workers with the right peers.token")
    if request.headers.get(TIER) != found.access.tier_id:
        raise Refused(412, "this worker is on another magnetic tier: all workers of a log need the same magnetic.url")
    return found


class Refused(Exception):
    """A refusal with this status and text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


async def refused(_: Request, error: Refused) -> Response:
    """The response to a refused request."""
    return PlainTextResponse(str(error), error.status)


async def not_owned(_: Request, error: NotOwned) -> Response:
    """The response to a request for a partition of another worker."""
    return PlainTextResponse(str(error), NOT_OWNED)


router = APIRouter(prefix="/internal", include_in_schema=False)
Parts = Annotated[Internal, Depends(internal)]


@router.post("/tail")
async def tail(parts: Parts, request: Request) -> Response:
    """Rows beyond the magnetic tier's positions, of partitions of this worker."""
    body = await request.body()
    return await _answer(parts, lambda: parts.tails(body))


@router.post("/zones")
async def zones(parts: Parts, request: Request) -> Response:
    """The zones of an account in this worker's partitions."""
    wanted = await _wanted(request)
    return await _packed(parts, lambda: parts.directory.zones(wanted.account, wanted.table))


@router.post("/tables")
async def tables(parts: Parts, request: Request) -> Response:
    """The tables of an account, with the series in this worker's partitions."""
    wanted = await _wanted(request)
    return await _packed(parts, lambda: parts.directory.tables(wanted.account))


@router.post("/dimensions")
async def dimensions(parts: Parts, request: Request) -> Response:
    """The values of dimensions in this worker's partitions."""
    wanted = await _wanted(request)
    return await _packed(parts, lambda: parts.directory.dimensions(wanted.account, wanted.table))


@router.post("/series")
async def series(parts: Parts, request: Request) -> Response:
    """The series of a zone in this worker's partitions."""
    wanted = await _wanted(request)
    return await _packed(parts, lambda: parts.directory.series(wanted.account, wanted.zone or "", wanted.table))


@router.post("/devices")
async def devices(parts: Parts, request: Request) -> Response:
    """The devices with the newest rows in this worker's partitions."""
    wanted = await _wanted(request)
    return await _packed(
        parts, lambda: parts.directory.devices(wanted.account, wanted.table, wanted.zone, wanted.limit)
    )


@router.post("/latest")
async def latest(parts: Parts, request: Request) -> Response:
    """The last values of series in this worker's partitions."""
    wanted = _latest_decoder.decode(await request.body())
    return await _packed(parts, lambda: parts.directory.latest(wanted))


@router.post("/search")
async def search(parts: Parts, request: Request) -> Response:
    """The first series in this worker's partitions that match."""
    wanted = _search_decoder.decode(await request.body())
    return await _packed(parts, lambda: parts.directory.search(wanted))


@router.post("/live")
async def live(parts: Parts, request: Request) -> Response:
    """Zones and devices in this worker's partitions, as they are now."""
    wanted = _live_decoder.decode(await request.body())
    return await _packed(parts, lambda: parts.directory.live(wanted))


@router.post("/transitions")
async def transitions(parts: Parts, request: Request) -> Response:
    """Transitions of alerts, if this worker keeps the alerts."""
    wanted = _transitions_decoder.decode(await request.body())
    return await _packed(parts, lambda: parts.transitions(wanted))


@router.post("/rejected")
async def rejected(parts: Parts, request: Request) -> Response:
    """The rejected messages, if this worker keeps the dead letters."""
    wanted = await _wanted(request)
    return await _packed(parts, lambda: parts.rejected(wanted.account, wanted.limit))


@router.post("/usage")
async def usage(parts: Parts, request: Request) -> Response:
    """The usage in these partitions of this worker."""
    body = await request.body()
    return await _packed(parts, lambda: parts.usage.answer(body))


@router.post("/deleted")
async def deleted(parts: Parts, request: Request) -> Response:
    """How far a DELETE is in a partition of this worker."""
    wanted = _delete_decoder.decode(await request.body())
    return Response(msgspec.msgpack.encode(await deleted_here(parts.owned, wanted)))


@router.post("/outcome")
async def outcome(parts: Parts, request: Request) -> Response:
    """The outcome of a WriteRecords request, when it is known."""
    wanted = _outcome_decoder.decode(await request.body())
    try:
        return Response(encode_outcome(await outcome_here(parts.owned, wanted)))
    except TimeoutError:
        raise Refused(504, f"offset {wanted.offset} was not applied within {wanted.within_s:g} s") from None


async def _wanted(request: Request) -> InventoryRequest:
    return _inventory_decoder.decode(await request.body())


async def _packed(parts: Internal, answer: Callable[[], object]) -> Response:
    return await _answer(parts, lambda: msgspec.msgpack.encode(answer()))


async def _answer(parts: Internal, answer: Callable[[], bytes]) -> Response:
    return Response(await asyncio.get_running_loop().run_in_executor(parts.threads, answer))
