"""What is published at a broker is taken in, kept, and acknowledged to the broker in this order."""

from __future__ import annotations

import asyncio
import socket
import ssl
import uuid
from dataclasses import replace
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from mosquitto import PASSWORD, USER, Mosquitto, Wire, publisher, running
from takers import Take, counted, until

from pipeline import metrics
from pipeline.brokers.settings import BrokerSettings
from pipeline.log.settings import Tls
from pipeline.stages.mqtt_to_readings import BatchSettings

VERSIONS = pytest.mark.parametrize("is_v5", [True, False], ids=["5", "3.1.1"])


@pytest.fixture
def topic() -> str:
    """Of this test alone."""
    return f"fault/{uuid.uuid4().hex}"


def settings(port: int, topic: str, **others: object) -> BrokerSettings:
    """An entry for what is published below `topic`."""
    return replace(BrokerSettings("127.0.0.1", port, (f"{topic}/#",)), **others)  # type: ignore[arg-type]


@VERSIONS
async def test_messages_of_each_qos_arrive_once_as_their_account(
    broker: Mosquitto, take: Take, topic: str, is_v5: bool
) -> None:
    taker = take(settings(broker.port, topic, is_v5=is_v5, account="farm-7"))
    await until(taker.connected, "subscribed")

    with publisher(broker.port) as client:
        for number in range(300):
            client.publish(f"{topic}/{number % 3}", str(number), qos=number % 3)
        await until(lambda: len(taker.payloads()) >= 300, "all have come")

    assert sorted(map(int, taker.payloads())) == list(range(300))
    assert {account for frame in taker.frames() for account in frame.accounts} == {"farm-7"}


@VERSIONS
async def test_the_broker_is_told_only_once_the_log_has_a_message(
    broker: Mosquitto, take: Take, topic: str, is_v5: bool
) -> None:
    taker = take(settings(broker.port, topic, is_v5=is_v5))
    await until(taker.connected, "subscribed")
    before = taker.acked()
    taker.log.is_stalled = True

    with publisher(broker.port) as client:
        for number in range(5):
            client.publish(f"{topic}/a", str(number), qos=1)
        await until(lambda: counted(metrics.broker_unacked, taker.brokers[0].name) == 5, "taken in")
    assert taker.acked() == before
    taker.log.is_stalled = False
    taker.log.let_go()
    await until(lambda: taker.acked() == before + 5, "acknowledged")

    assert counted(metrics.broker_unacked, taker.brokers[0].name) == 0


@VERSIONS
async def test_a_small_window_does_not_make_the_broker_wait_for_the_batch_to_be_due(
    broker: Mosquitto, take: Take, topic: str, is_v5: bool
) -> None:
    """Of 300 messages at most 20 are under way, and no batch is ever due by time: each closes because of the window."""
    taker = take(
        settings(broker.port, topic, is_v5=is_v5, receive_maximum=20), batch=BatchSettings(close_after_s=3_600)
    )
    await until(taker.connected, "subscribed")

    with publisher(broker.port) as client:
        for number in range(300):
            client.publish(f"{topic}/a", str(number), qos=1)
        await until(lambda: len(taker.payloads()) >= 280, "they flow")

    assert [int(payload) for payload in taker.payloads()] == list(range(len(taker.payloads())))


@VERSIONS
async def test_a_cut_connection_comes_back_with_what_the_broker_kept(
    wire: Wire, broker: Mosquitto, take: Take, topic: str, is_v5: bool
) -> None:
    """Acknowledgements that come when their connection has gone are dropped, and those messages come again."""
    taker = take(settings(wire.port, topic, is_v5=is_v5))
    name = taker.brokers[0].name
    await until(taker.connected, "subscribed")
    taker.log.is_stalled = True
    with publisher(broker.port) as client:
        for number in range(8):
            client.publish(f"{topic}/a", str(number), qos=1)
        await until(lambda: counted(metrics.broker_unacked, name) == 8, "taken in")
        wire.is_down = True
        wire.cut()
        await until(lambda: not taker.connected(), "the loss is seen")
        for number in range(8, 12):
            client.publish(f"{topic}/a", str(number), qos=1).wait_for_publish(10)

    taker.log.is_stalled = False
    taker.log.let_go()
    await until(lambda: counted(metrics.broker_stale_acks, name) == 8, "stale acknowledgements are dropped")
    wire.is_down = False
    await until(lambda: len(taker.payloads()) >= 20, "all have come, the unacknowledged twice")

    assert [int(payload) for payload in taker.payloads()] == [*range(8), *range(12)]
    assert counted(metrics.broker_reconnects, name) >= 1


async def test_a_broker_that_forgot_the_session_is_subscribed_to_again(
    tmp_path: Path, take: Take, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    with running(tmp_path / "mosquitto") as broker:
        taker = take(settings(broker.port, topic))
        await until(taker.connected, "subscribed")
        broker.kill()
        await until(lambda: not taker.connected(), "the loss is seen")
        broker.start()
        await until(taker.connected, "subscribed again")
        with publisher(broker.port) as client:
            client.publish(f"{topic}/a", "1", qos=1)
            await until(taker.payloads, "it flows")

    assert counted(metrics.broker_errors, taker.brokers[0].name, "session_lost") == 1
    assert "has forgotten our session" in caplog.text


async def test_after_a_restart_what_came_meanwhile_is_there_and_what_is_not_wanted_any_more_is_not(
    broker: Mosquitto, take: Take, topic: str
) -> None:
    before = replace(settings(broker.port, topic), topics=(f"{topic}/old", f"{topic}/kept"))
    first = take(before)
    await until(first.connected, "subscribed")
    await first.stop()
    second = take(replace(before, topics=(f"{topic}/kept",)))
    await until(second.connected, "subscribed")

    with publisher(broker.port) as client:
        client.publish(f"{topic}/old", "1", qos=1).wait_for_publish(10)
        client.publish(f"{topic}/kept", "2", qos=1).wait_for_publish(10)
        await until(second.payloads, "it flows")
        await second.stop()
        client.publish(f"{topic}/kept", "3", qos=1).wait_for_publish(10)
    third = take(replace(before, topics=(f"{topic}/kept",)))
    await until(third.payloads, "what came while it was away")

    assert second.payloads() == [b"2"]
    assert third.payloads() == [b"3"]


async def test_two_gateways_of_a_group_share_the_messages_and_two_without_one_get_each_all(
    broker: Mosquitto, take: Take, topic: str
) -> None:
    shared = settings(broker.port, f"{topic}/shared", group="ingest")
    alone = settings(broker.port, f"{topic}/alone")
    takers = [take(shared, alone) for _ in range(2)]
    for taker in takers:
        await until(taker.connected, "subscribed")

    with publisher(broker.port) as client:
        for number in range(200):
            client.publish(f"{topic}/shared/a", str(number), qos=1)
        for _ in range(10):
            client.publish(f"{topic}/alone/a", "x", qos=1)
        await until(lambda: sum(len(taker.payloads()) for taker in takers) >= 220, "all have come")

    of_each = [[int(payload) for payload in taker.payloads() if payload != b"x"] for taker in takers]
    assert sorted(of_each[0] + of_each[1]) == list(range(200))
    assert all(of_each)
    assert [taker.payloads().count(b"x") for taker in takers] == [10, 10]


async def test_a_full_log_stops_the_reading_and_nothing_is_lost(broker: Mosquitto, take: Take, topic: str) -> None:
    """The broker keeps what its window does not let it send."""
    taker = take(settings(broker.port, topic, receive_maximum=50))
    await until(taker.connected, "subscribed")
    taker.log.is_full = True

    with publisher(broker.port) as client:
        sent = [client.publish(f"{topic}/a", str(number), qos=1) for number in range(500)]
        await until(lambda: taker.stage.is_pressed, "pressed")
        for message in sent:
            await asyncio.to_thread(message.wait_for_publish, 10)
        taker.log.is_full = False
        await until(lambda: len(taker.payloads()) >= 500, "all have come")

    assert [int(payload) for payload in taker.payloads()] == list(range(500))


@VERSIONS
async def test_a_connection_that_is_not_read_for_longer_than_its_keep_alive_is_kept(
    broker: Mosquitto, take: Take, topic: str, is_v5: bool
) -> None:
    taker = take(settings(broker.port, topic, is_v5=is_v5, keep_alive_s=1))
    name = taker.brokers[0].name
    await until(taker.connected, "subscribed")
    lost_before = counted(metrics.broker_reconnects, name)
    taker.log.is_full = True

    with publisher(broker.port) as client:
        client.publish(f"{topic}/a", "1", qos=1)
        await until(lambda: taker.stage.is_pressed, "pressed")
        await asyncio.sleep(2.5)  # the duration is what is under test: both sides allow 1.5 s of silence
        client.publish(f"{topic}/a", "2", qos=1)
        taker.log.is_full = False
        await until(lambda: len(taker.payloads()) >= 2, "all have come")

    assert taker.payloads() == [b"1", b"2"]
    assert taker.connected()
    assert counted(metrics.broker_reconnects, name) == lost_before


async def test_tls_with_a_client_certificate_and_a_password(tmp_path: Path, take: Take, topic: str) -> None:
    with running(tmp_path / "mosquitto", secure=True) as broker:
        folder = broker.folder
        tls = Tls(folder / "ca.pem", folder / "client.pem", folder / "client.key")
        taker = take(settings(broker.port, topic, username=USER, password=PASSWORD, tls=tls, host="localhost"))
        await until(taker.connected, "subscribed")

        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.username_pw_set(USER, PASSWORD)
        client.tls_set(str(tls.ca), str(tls.certificate), str(tls.key), tls_version=ssl.PROTOCOL_TLS_CLIENT)
        client.connect("localhost", broker.port)
        client.loop_start()
        for number in range(2_000):
            client.publish(f"{topic}/a", str(number), qos=1)
        await until(lambda: len(taker.payloads()) >= 2_000, "all have come")
        client.disconnect()
        client.loop_stop()

        assert [int(payload) for payload in taker.payloads()] == list(range(2_000))
        await taker.stop()


async def test_odd_messages_stop_nothing(take: Take) -> None:
    """A topic that is no UTF-8, one with NUL, an empty and a huge payload; all are in the log."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        taker = take(BrokerSettings("127.0.0.1", server.getsockname()[1], ("#",), is_v5=False))
        loop = asyncio.get_running_loop()
        connection, _ = await loop.sock_accept(server)
        with connection:
            connection.setblocking(False)
            await loop.sock_recv(connection, 1_000)
            await loop.sock_sendall(connection, b"\x20\x02\x00\x00")
            request = await loop.sock_recv(connection, 1_000)
            packets = [
                b"\x90\x03" + request[2:4] + b"\x01",
                publish(b"\xff\xfe", 1, b"a"),
                publish(b"nul\0", 2, b"b"),
                publish(b"empty", 3, b""),
                publish(b"huge", 4, b"1" * (4 << 20) + b"1"),
                publish(b"fine", 5, b"{}"),
            ]
            await loop.sock_sendall(connection, b"".join(packets))
            await until(lambda: len(taker.payloads()) >= 5, "all are in the log")
            answer = await loop.sock_recv(connection, 1_000)

            assert taker.topics() == [r"\xff\xfe", r"nul\x00", "empty", "huge", "fine"]
            assert taker.payloads()[3].startswith(b"\xffa payload of 4194305 bytes; 4194304 are allowed")
            assert answer == b"".join(b"\x40\x02\x00" + bytes([number]) for number in range(1, 6))
            await taker.stop()


def publish(topic: bytes, packet_id: int, payload: bytes) -> bytes:
    """A PUBLISH of MQTT 3.1.1 with QoS 1."""
    body = len(topic).to_bytes(2, "big") + topic + packet_id.to_bytes(2, "big") + payload
    size, length = len(body), bytearray()
    while True:
        size, low = divmod(size, 128)
        length.append(low | (0x80 if size else 0))
        if not size:
            return b"\x32" + bytes(length) + body


async def test_bytes_that_are_no_mqtt_end_the_connection_and_the_next_one_is_tried(
    take: Take, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        taker = take(BrokerSettings("127.0.0.1", server.getsockname()[1], ("#",)))
        loop = asyncio.get_running_loop()
        for junk in (b"\x30\x02\xff\xff", b"\xf0\x00"):
            connection, _ = await loop.sock_accept(server)
            with connection:
                connection.setblocking(False)
                await loop.sock_recv(connection, 1_000)
                await loop.sock_sendall(connection, junk)
                await until(lambda: "no connection to the broker" in caplog.text, "told")
                caplog.clear()

        assert not taker.stage.failed.done()
        await taker.stop()


async def test_retained_messages_come_once_with_a_new_subscription_and_not_again_with_each_reconnect(
    wire: Wire, broker: Mosquitto, take: Take, topic: str
) -> None:
    with publisher(broker.port) as client:
        client.publish(f"{topic}/a", "kept", qos=1, retain=True).wait_for_publish(10)
        taker = take(settings(wire.port, topic))
        await until(taker.payloads, "the retained message comes")
        wire.cut()
        await until(lambda: not taker.connected(), "the loss is seen")
        await until(taker.connected, "subscribed again")
        client.publish(f"{topic}/b", "new", qos=1)
        await until(lambda: len(taker.payloads()) >= 2, "it flows")
        client.publish(f"{topic}/a", "", qos=1, retain=True).wait_for_publish(10)

    assert taker.payloads()[:2] == [b"kept", b"new"]
