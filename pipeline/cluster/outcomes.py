"""The outcomes of WriteRecords requests: from partitions of this worker directly, from others through their owners."""

from __future__ import annotations

import asyncio
import time

import msgspec
import numpy as np

from pipeline.base.errors import NotOwned, PeerUnavailable
from pipeline.cluster.client import AsyncPeerClient, understood
from pipeline.cluster.peers import Peers
from pipeline.log.topics import READINGS
from pipeline.stream.partitions.owned import OwnedPartitions
from pipeline.stream.writes import ANSWER_TIMEOUT_S
from store.record import Applied, Outcome

AGAIN_AFTER_S = 0.1


class OutcomeRequest(msgspec.Struct, frozen=True, array_like=True):
    """Asks for the outcome of the frame at `offset` of a partition of [readings], and how long to wait for it."""

    partition: int
    offset: int
    within_s: float


class OutcomeResponse(msgspec.Struct, frozen=True, array_like=True):
    """The outcome of its records, in the form of `Applied`."""

    outcomes: bytes
    existing_version: bytes


_decoder = msgspec.msgpack.Decoder(OutcomeResponse)


async def outcome_here(owned: OwnedPartitions, request: OutcomeRequest) -> Applied:
    """The outcome from a partition of this worker. Raises NotOwned, TimeoutError."""
    partition = owned.get(request.partition)
    if partition is None:
        raise NotOwned(f"partition {request.partition} of [{READINGS}] is not assigned to this worker")
    return await partition.writes.outcome(request.offset, request.within_s)


class Outcomes:
    """The outcomes of a group of workers. From the HTTP server's event loop."""

    def __init__(self, owned: OwnedPartitions, peers: Peers, client: AsyncPeerClient) -> None:
        self._owned = owned
        self._peers = peers
        self._client = client

    async def of(self, partition: int, offset: int) -> Applied:
        """The outcome of the request in this frame; owners of the partition are asked until it is known.

        Raises TimeoutError, also if the previous owner applied the frame and died before it responded.
        """
        deadline_s = time.monotonic() + ANSWER_TIMEOUT_S
        while True:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(f"no worker knows the outcome of offset {offset} in partition {partition}")
            try:
                applied = await self._ask(OutcomeRequest(partition, offset, left_s))
            except PeerUnavailable:
                await asyncio.sleep(AGAIN_AFTER_S)
                continue
            if (applied.outcomes == Outcome.SKIPPED).any():
                raise TimeoutError(f"offset {offset} in partition {partition} was applied before its owner died")
            return applied

    async def _ask(self, request: OutcomeRequest) -> Applied:
        if self._owned.get(request.partition) is not None:
            return await outcome_here(self._owned, request)
        owner = await asyncio.to_thread(self._peers.owner_of, READINGS, request.partition)
        body = msgspec.msgpack.encode(request)
        content = await self._client.post(owner, "outcome", body, request.within_s)
        with understood(owner):
            return decode_outcome(content)


def decode_outcome(data: bytes) -> Applied:
    """The outcome in a response."""
    answer = _decoder.decode(data)
    return Applied(np.frombuffer(answer.outcomes, np.uint8), np.frombuffer(answer.existing_version, np.int64))


def encode_outcome(applied: Applied) -> bytes:
    """The outcome as bytes of a response."""
    return msgspec.msgpack.encode(OutcomeResponse(applied.outcomes.tobytes(), applied.existing_version.tobytes()))
