"""The rows of all partitions that are not in the magnetic tier yet: from this worker's stores and from other owners."""

from __future__ import annotations

import msgspec

from pipeline.cluster.peers import Peers, Question
from pipeline.stream.partitions.owned import OwnedPartitions
from store.errors import Behind
from store.reading.tail import Pin, PinnedRows, TailReply, TailRequest


class TailsRequest(msgspec.Struct, frozen=True, array_like=True):
    """A request between workers, and the partitions that it asks for."""

    partitions: list[int]
    request: bytes


class TailsResponse(msgspec.Struct, frozen=True, array_like=True):
    """The replies between workers; `behind` says why there are none: the requested positions are too old."""

    replies: list[bytes]
    behind: str | None = None


_request_decoder = msgspec.msgpack.Decoder(TailsRequest)
_response_decoder = msgspec.msgpack.Decoder(TailsResponse)


class Tails:
    """Collects rows for a snapshot. Safe for any thread; raises PeerUnavailable, Behind."""

    def __init__(self, owned: OwnedPartitions, peers: Peers) -> None:
        self._owned = owned
        self._peers = peers

    def gather(self, request: TailRequest, pin: Pin) -> list[TailReply | PinnedRows]:
        """The rows of all partitions: this worker's by `pin`, the others by the replies of their owners."""
        encoded = request.encode()
        return self._peers.ask_all(
            Question("tail", lambda partitions: msgspec.msgpack.encode(TailsRequest(partitions, encoded))),
            lambda partitions: [pin(partition.store) for partition in self._owned.ready(partitions)],
            _decode,
        )


def answer(owned: OwnedPartitions, body: bytes) -> bytes:
    """The response to another worker. Raises NotOwned."""
    request = _request_decoder.decode(body)
    try:
        replies = tails_here(owned, request.partitions, TailRequest.decode(request.request))
    except Behind as error:
        return msgspec.msgpack.encode(TailsResponse([], str(error)))
    return msgspec.msgpack.encode(TailsResponse([reply.encode() for reply in replies]))


def tails_here(owned: OwnedPartitions, partitions: list[int], request: TailRequest) -> list[TailReply]:
    """The replies of these partitions of this worker. Raises NotOwned if one is not owned, or is still replayed."""
    return [partition.store.tail(request) for partition in owned.ready(partitions)]


def _decode(data: bytes) -> list[TailReply | PinnedRows]:
    response = _response_decoder.decode(data)
    if response.behind is not None:
        raise Behind(response.behind)
    return [TailReply.decode(reply) for reply in response.replies]
