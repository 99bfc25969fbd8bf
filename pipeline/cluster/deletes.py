"""How far a DELETE is in the partitions of all workers: those of this worker directly, others through their owners.

A partition is done when the position of the table has reached the offset of the DELETE. How many rows it was is known
to the worker that carried it out, as long as it runs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import msgspec

from pipeline.base.errors import NotOwned, PeerUnavailable
from pipeline.cluster.client import AsyncPeerClient, understood
from pipeline.cluster.peers import Peers
from pipeline.log.topics import READINGS
from pipeline.stream.partitions.owned import OwnedPartitions
from pipeline.stream.partitions.partition import Partition
from store.record import TableId
from store.table.deletions import Deleted

LOOK_EVERY_S = 0.05
AGAIN_AFTER_S = 0.2
_SLACK_S = 2.0  # for the way to another worker and back


class DeleteRequest(msgspec.Struct, frozen=True, array_like=True):
    """Asks for the outcome of the DELETE at `offset` of a partition of [readings], and how long to wait for it."""

    partition: int
    offset: int
    account: str
    database: str
    table: str
    within_s: float


class DeleteResponse(msgspec.Struct, frozen=True, array_like=True):
    """Whether it is carried out; how many rows that were, or why none could be deleted, as in `Deleted`."""

    is_done: bool
    rows: int | None = None
    fault: str = ""


_decoder = msgspec.msgpack.Decoder(DeleteResponse)


async def deleted_here(owned: OwnedPartitions, request: DeleteRequest) -> DeleteResponse:
    """The outcome in a partition of this worker. Raises NotOwned."""
    until_s = time.monotonic() + request.within_s
    while True:
        partition = owned.get(request.partition)
        if partition is None:
            raise NotOwned(f"partition {request.partition} of [{READINGS}] is not assigned to this worker")
        found = _outcome(partition, request)
        if found is not None:
            return DeleteResponse(is_done=True, rows=found.rows, fault=found.fault)
        if time.monotonic() >= until_s:
            return DeleteResponse(is_done=False)
        await asyncio.sleep(LOOK_EVERY_S)


def _outcome(partition: Partition, request: DeleteRequest) -> Deleted | None:
    """The outcome if it is carried out. A former owner, or a former process, took the number of rows with it."""
    outcome = partition.deletes.outcome(request.offset)
    if outcome is not None and not outcome.cancelled():
        return outcome.result() if outcome.done() else None
    if not partition.progress.has_replayed:
        return None
    table = TableId(request.account, request.database, request.table)
    return Deleted(None) if partition.store.has_deleted(table, request.offset) else None


class Deletes:
    """The DELETEs of a group of workers. From the HTTP server's event loop."""

    def __init__(self, owned: OwnedPartitions, peers: Peers, client: AsyncPeerClient) -> None:
        self._owned = owned
        self._peers = peers
        self._client = client

    async def outcomes(self, table: TableId, offsets: Sequence[int], within_s: float) -> list[DeleteResponse]:
        """How far the DELETE is that has these offsets, one in each partition; waits for all of them for a while."""
        names = table.account, table.database, table.table
        requests = [
            DeleteRequest(partition, offset, *names, within_s=within_s) for partition, offset in enumerate(offsets)
        ]
        return await asyncio.gather(*map(self._outcome, requests))

    async def _outcome(self, request: DeleteRequest) -> DeleteResponse:
        """Owners of the partition are asked until one answers, or the time is over."""
        until_s = time.monotonic() + request.within_s
        while True:
            left_s = max(0.0, until_s - time.monotonic())
            try:
                return await self._ask(msgspec.structs.replace(request, within_s=left_s))
            except (PeerUnavailable, NotOwned):
                if left_s <= 0:
                    return DeleteResponse(is_done=False)
                await asyncio.sleep(AGAIN_AFTER_S)

    async def _ask(self, request: DeleteRequest) -> DeleteResponse:
        if self._owned.get(request.partition) is not None:
            return await deleted_here(self._owned, request)
        owner = await asyncio.to_thread(self._peers.owner_of, READINGS, request.partition)
        content = await self._client.post(
            owner, "deleted", msgspec.msgpack.encode(request), request.within_s + _SLACK_S
        )
        with understood(owner):
            return _decoder.decode(content)
