"""Connections that say nothing are bounded, in all and for one client address; devices find a place beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
from byte_devices import Listen

from pipeline.base import metrics
from pipeline.base.addresses import client_of
from pipeline.gateway.listener.pending import GIVES_WAY_TURNS, Pending
from pipeline.gateway.mqtt.codes import Version
from tests.support.certificate_files import Authority
from tests.support.mqtt_packets import connect
from tests.support.secure_devices import listening, on_uvloop, until


class Silent:
    def __init__(self) -> None:
        self.ended: str | None = None

    def give_way(self, limit: str) -> None:
        self.ended = limit


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("10.0.0.5", "10.0.0.5"),
        ("::ffff:10.0.0.5", "10.0.0.5"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_client_is_its_network(address: str, client: str) -> None:
    assert client_of(address) == client


@pytest.mark.parametrize(("clients", "limit"), [("aaaa", "pending_per_address"), ("aabc", "pending")])
def test_one_too_many_takes_the_place_of_the_oldest_of_the_busiest_client_if_that_is_old(
    clients: str, limit: str
) -> None:
    pending = Pending(3, 3 if limit == "pending" else 2)
    silent = [Silent() for _ in clients]
    room = 3 if limit == "pending" else 2
    for connection, client in list(zip(silent, clients, strict=True))[:room]:
        assert pending.admit(client, connection, 0) is None
    newcomer, client = silent[room], clients[room]

    assert pending.admit(client, newcomer, GIVES_WAY_TURNS - 1) == limit
    assert pending.admit(client, newcomer, GIVES_WAY_TURNS) is None

    assert [connection.ended for connection in silent[:room]] == [limit, *[None] * (room - 1)]
    assert len(pending) == room
    for connection in silent:
        pending.done(connection)
    assert len(pending) == 0
    assert pending == Pending(pending.most, pending.most_per_address)


def refused(reason: str) -> float:
    return metrics.connections_refused.labels(reason)._value.get()


@pytest.mark.parametrize(
    ("settings", "reason"), [({"most_pending_per_address": 2}, "pending_per_address"), ({"most_pending": 2}, "pending")]
)
async def test_silent_connections_give_way_to_a_device(listen: Listen, settings: dict[str, int], reason: str) -> None:
    listener = await listen(**settings)
    before = refused(reason)
    silent = [await listener.dial() for _ in range(2)]
    await until(lambda: len(listener.gateway.pending) == 2)
    at_once = await listener.dial()

    assert await at_once.closed() == b""
    assert refused(reason) == before + 1
    for _ in range(GIVES_WAY_TURNS):
        listener.gateway.turn()
    device = await listener.dial()
    device.writer.write(connect("d", Version.V3_1_1))
    await device.receive(b"\x20\x02\x00\x00")
    assert await silent[0].closed() == b""
    assert refused(reason) == before + 2
    await until(lambda: len(listener.gateway.pending) == 1)


async def test_connections_have_a_limit(listen: Listen) -> None:
    listener = await listen(most_connections=1)
    before = refused("connections")
    device = await listener.dial()
    device.writer.write(connect("d", Version.V3_1_1))
    await device.receive(b"\x20\x02\x00\x00")

    assert await (await listener.dial()).closed() == b""
    assert refused("connections") == before + 1


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@on_uvloop
async def test_handshakes_that_do_not_go_on_give_way_too(authority: Authority) -> None:
    async with listening(authority.files(), most_pending=2, connect_timeout_s=3600) as listener:
        before = refused("pending")
        silent = [await listener.dial(None) for _ in range(2)]
        await until(lambda: len(listener.gateway.pending) == 2)
        listener.gateway.wheel.now += GIVES_WAY_TURNS
        device = await listener.dial(authority.trusting())

        assert await silent[0].closed() == b""
        await until(lambda: len(listener.gateway.pending) == 2)
        assert refused("pending") == before + 1
        device.writer.write(connect("d", Version.V3_1_1))
        await device.receive(b"\x20\x02\x00\x00")
        await until(lambda: len(listener.gateway.pending) == 1)
