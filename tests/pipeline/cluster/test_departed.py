"""Members of the group whose processes have ended are removed, and no others."""

from __future__ import annotations

import asyncio
import socket

import pytest

from pipeline.base.errors import LogError
from pipeline.cluster.departed import Departed, remove_former_self

OWN = "http://127.0.0.1:1"


class Members:
    """A group of these members."""

    def __init__(self, *members: str) -> None:
        self.all = set(members)
        self.removed: list[str] = []

    def members(self, _own: str) -> frozenset[str]:
        return frozenset(self.all)

    def remove(self, client_id: str) -> None:
        self.all.discard(client_id)
        self.removed.append(client_id)


def address_of(server: asyncio.Server) -> str:
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_who_refuses_connections_that_it_accepted_before_is_removed_once() -> None:
    live, gone = [await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) for _ in range(2)]
    group = Members(OWN, address_of(live), address_of(gone))
    departed = Departed(group, OWN)  # type: ignore[arg-type]  # the part that is used
    await departed.look()
    removed_before = list(group.removed)
    gone.close()
    await gone.wait_closed()

    await departed.look()
    group.all.add(address_of_closed := group.removed[0])  # joins again, and still refuses
    await departed.look()

    assert (removed_before, group.removed) == ([], [address_of_closed])
    assert address_of(live) in group.all
    live.close()


async def test_who_was_never_reached_is_left_to_kafka() -> None:
    """An address that others cannot reach is a fault of the configuration, and must not keep the group rebalancing."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and does not listen
        group = Members(OWN, f"http://127.0.0.1:{bound.getsockname()[1]}")
        departed = Departed(group, OWN)  # type: ignore[arg-type]  # as above

        for _ in range(3):
            await departed.look()

    assert group.removed == []


@pytest.mark.parametrize("address", ["http://no.such.host.invalid:1", "http://x:99999", "not an address"])
async def test_who_cannot_be_asked_is_left_to_kafka(address: str) -> None:
    group = Members(address)
    departed = Departed(group, OWN)  # type: ignore[arg-type]  # as above
    departed._reached.add(address)

    await departed.look()

    assert group.removed == []


async def test_a_worker_removes_its_former_self_and_nobody_else() -> None:
    group = Members("http://127.0.0.1:2", OWN)

    for _ in range(2):
        await remove_former_self(group, OWN)  # type: ignore[arg-type]  # as above

    assert group.removed == [OWN]


async def test_a_log_that_does_not_answer_removes_nobody() -> None:
    group = Members("http://127.0.0.1:2", OWN)

    def away(_own: str) -> frozenset[str]:
        raise LogError("away")

    group.members = away  # type: ignore[method-assign]
    await Departed(group, OWN).look()  # type: ignore[arg-type]  # as above
    await remove_former_self(group, OWN)  # type: ignore[arg-type]  # as above

    assert group.removed == []
