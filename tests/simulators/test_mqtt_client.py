"""The publisher counts honestly what became of its messages, through loss of connection and refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from simulators import packets
from simulators.connection import Session
from simulators.errors import BrokerRefused, BrokerUnreachable
from simulators.mqtt_client import Publisher
from tests.support.mqtt_server import TinyServer

TOPIC = packets.string("greenhouse/r/g/z/s")


def publisher(server: TinyServer, connections: int = 1, **session: int | str) -> Publisher:
    names = [f"device-{number}" for number in range(connections)]
    return Publisher("127.0.0.1", server.port, names, Session(**session))  # type: ignore[arg-type]


def some(count: int, first: int = 0) -> list[tuple[bytes, bytes]]:
    return [(TOPIC, b"%d" % number) for number in range(first, first + count)]


def payloads(server: TinyServer) -> list[int]:
    return [int(message.payload) for message in server.published]


async def until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_true():  # noqa: ASYNC110  # what is awaited happens at the other end of a socket
            await asyncio.sleep(0.005)


@pytest.fixture(params=[4, 5])
def level(request: pytest.FixtureRequest) -> int:
    """Both versions of the protocol."""
    return int(request.param)


async def test_every_message_arrives_in_order_and_is_counted(server: TinyServer, level: int) -> None:
    async with publisher(server, level=level) as client:
        client.publish(0, some(1000))
        await client.finish(60)

        assert client.counts.offered == client.counts.sent == client.counts.acknowledged == 1000
        assert client.unfinished == 0
    assert payloads(server) == list(range(1000))
    assert {(message.mqtt_topic, message.qos) for message in server.published} == {("greenhouse/r/g/z/s", 1)}


async def test_qos_0_is_sent_and_not_acknowledged(server: TinyServer, level: int) -> None:
    async with publisher(server, qos=0, level=level) as client:
        client.publish(0, some(500))
        await client.finish(60)

        assert (client.counts.sent, client.counts.acknowledged) == (500, 0)
    await until(lambda: len(server.published) == 500)
    assert {message.qos for message in server.published} == {0}


async def test_each_connection_has_its_client_id_and_its_own_messages(server: TinyServer) -> None:
    async with publisher(server, connections=50) as client:
        for number in range(50):
            client.publish(number, some(3, first=number * 100))
        await client.finish(60)

        assert client.open_connections == 50
    sent = {(message.client_id, int(message.payload)) for message in server.published}
    assert sent == {(f"device-{number}", number * 100 + k) for number in range(50) for k in range(3)}


async def test_no_more_than_the_window_is_in_flight(server: TinyServer) -> None:
    server.behaviour.acknowledges = False
    async with publisher(server, window=70) as client:
        client.publish(0, some(500))
        await until(lambda: len(server.published) >= 70)
        await client.finish(0.05)

        assert (client.counts.sent, client.unfinished) == (70, 500)
    assert server.most_unacknowledged == 70


async def test_in_mqtt_5_the_servers_receive_maximum_bounds_the_window(server: TinyServer) -> None:
    server.behaviour.acknowledges = False
    server.behaviour.connack_5 = b"\x00\x00\x03\x21\x00\x0c"
    async with publisher(server, window=70, level=5) as client:
        client.publish(0, some(500))
        await until(lambda: len(server.published) >= 12)
        await client.finish(0.05)

    assert server.most_unacknowledged == 12


async def test_what_was_not_acknowledged_is_sent_again_marked_dup_before_anything_new(server: TinyServer) -> None:
    server.behaviour.acknowledges = False
    async with publisher(server, window=10) as client:
        client.publish(0, some(30))
        await until(lambda: len(server.published) == 10)
        server.stop()
        server.behaviour.acknowledges = True
        await until(lambda: client.open_connections == 0)
        client.publish(0, some(10, first=30))
        await server.listen()
        await client.finish(60)
        counts = client.counts

    assert (counts.sent, counts.acknowledged, counts.resent, counts.reconnects) == (40, 40, 10, 1)
    again = [(int(message.payload), message.is_duplicate) for message in server.published[10:]]
    assert again == [(n, True) for n in range(10)] + [(n, False) for n in range(10, 40)]


async def test_a_lost_server_leaves_its_messages_unacknowledged(server: TinyServer) -> None:
    server.behaviour.acknowledges = False
    async with publisher(server) as client:
        client.publish(0, some(20))
        await until(lambda: len(server.published) == 20)
        server.stop()
        await client.finish(0.05)

        assert (client.counts.sent, client.counts.acknowledged) == (20, 0)


async def test_a_refusing_puback_is_no_acknowledgement(server: TinyServer) -> None:
    server.behaviour.puback_code = 0x97
    async with publisher(server, level=5) as client:
        client.publish(0, some(20))
        await client.finish(60)

        assert (client.counts.refused, client.counts.acknowledged, client.unfinished) == (20, 0, 0)


async def test_names_and_passwords_are_sent(server: TinyServer) -> None:
    async with publisher(server, username="farm-7", password="häse"):
        pass

    assert server.connects[0].endswith(packets.string("farm-7") + packets.string("häse"))


async def test_a_refused_password_is_final() -> None:
    async with TinyServer() as server:
        server.behaviour.connack = b"\x00\x04"
        with pytest.raises(BrokerRefused, match=r"bad user name or password \(code 4\)"):
            async with publisher(server, connections=3):
                pytest.fail("refused connections must not open")


async def test_a_server_that_takes_qos_0_only_is_told() -> None:
    async with TinyServer() as server:
        server.behaviour.connack_5 = b"\x00\x00\x02\x24\x00"
        with pytest.raises(BrokerRefused, match="--qos 0"):
            async with publisher(server, level=5):
                pytest.fail("there is nothing to publish with")


async def test_no_server_is_an_error_that_names_the_address(server: TinyServer) -> None:
    server.stop()
    with pytest.raises(BrokerUnreachable, match=f"127.0.0.1:{server.port}"):
        async with publisher(server):
            pytest.fail("there is no server")


async def test_a_server_that_is_not_mqtt_is_told() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(BrokerUnreachable, match="is it an MQTT server"):
        async with Publisher("127.0.0.1", port, ["device"], Session()):
            pytest.fail("this is no MQTT server")
    server.close()
    await server.wait_closed()


async def test_a_password_that_is_refused_later_ends_the_wait(server: TinyServer) -> None:
    async with publisher(server, window=10) as client:
        server.behaviour.connack = b"\x00\x05"
        for session in tuple(server.sessions):
            session.cut()
        client.publish(0, some(60_000))
        with pytest.raises(BrokerRefused, match="not authorised"):
            async with asyncio.timeout(60):
                await client.room()


async def test_a_busy_server_is_tried_again(server: TinyServer) -> None:
    async with publisher(server) as client:
        server.behaviour.connack = b"\x00\x03"
        for session in tuple(server.sessions):
            session.cut()
        await until(lambda: len(server.connects) >= 3)
        server.behaviour.connack = b"\x00\x00"
        client.publish(0, some(10))
        await client.finish(60)

        assert (client.counts.acknowledged, client.counts.reconnects) == (10, 1)


async def test_quiet_connections_are_kept_alive(server: TinyServer) -> None:
    async with publisher(server, keep_alive_s=1):
        await until(lambda: server.pings >= 2)
