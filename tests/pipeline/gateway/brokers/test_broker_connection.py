"""Bytes that no real broker sends at will: acknowledgements, endings, and packets that are wrong."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.base import metrics
from pipeline.config.brokers import Broker
from tests.support.broker_intake import Take, until
from tests.support.scripted_broker import CONNACK, CONNACK_WITH_SESSION, PINGREQ, PINGRESP, Scripted, puback, publish


def entry(broker: Scripted, **settings: Any) -> dict[str, Any]:
    return {"url": broker.url, "topics": ["a/#"], **settings}


def value(metric: Any, broker: Scripted, *labels: str) -> float:
    found: float = metric.labels(f"127.0.0.1:{broker.port}", *labels)._value.get()
    return found


async def test_a_puback_waits_for_the_log_and_pubacks_keep_the_order(take: Take) -> None:
    async with Scripted() as broker:
        intake = await take(entry(broker))
        connection = await broker.accept()
        intake.log.is_stalled = True
        connection.send(publish(b"1", packet_id=7) + publish(b"2", packet_id=3) + publish(b"0", qos=0))
        await until(lambda: intake.log.waiting_bytes)
        connection.send(bytes.fromhex("62 02 00 63"))
        await connection.receive(bytes.fromhex("70 02 00 63"))  # of the PUBREL, and nothing before it
        assert value(metrics.broker_unacknowledged, broker) == 2
        assert value(metrics.broker_acknowledged, broker) == 0

        intake.log.is_stalled = False
        intake.log.let_go()

        await connection.receive(puback(7, 3))
        assert intake.payloads == [b"1", b"2", b"0"]


async def test_pubacks_of_a_connection_that_is_over_are_dropped_and_counted(take: Take) -> None:
    """On the next one its identifiers mean other messages; those of the old one come again, and are taken again."""
    async with Scripted() as broker:
        intake = await take(entry(broker))
        old = await broker.accept()
        intake.log.is_stalled = True
        old.send(publish(b"old-1", packet_id=1) + publish(b"old-2", packet_id=2))
        await until(lambda: intake.log.waiting_bytes)
        old.cut()
        new = await broker.accept(CONNACK_WITH_SESSION)
        new.send(publish(b"another", packet_id=1))
        await until(lambda: value(metrics.broker_messages, broker) == 3)

        intake.log.is_stalled = False
        intake.log.let_go()

        await until(lambda: value(metrics.broker_stale_acks, broker) == 2)
        await new.receive(puback(1))
        new.send(publish(b"old-1", packet_id=5, flags=8) + publish(b"old-2", packet_id=6, flags=8))
        await new.receive(puback(5, 6))
        assert intake.payloads == [b"old-1", b"old-2", b"another", b"old-1", b"old-2"]
        assert value(metrics.broker_unacknowledged, broker) == 0
        assert value(metrics.broker_reconnects, broker) == 1


async def test_a_publish_is_taken_however_its_bytes_are_cut(take: Take) -> None:
    async with Scripted() as broker:
        intake = await take(entry(broker))
        connection = await broker.accept()

        for byte in publish(b"x" * 300, packet_id=1) + publish(b"y", packet_id=2):
            connection.send(bytes((byte,)))
            await connection.writer.drain()

        await connection.receive(puback(1, 2))
        assert intake.payloads == [b"x" * 300, b"y"]


async def test_an_mqtt_topic_that_is_no_text_is_kept_with_its_bytes_shown(take: Take) -> None:
    async with Scripted() as broker:
        intake = await take(entry(broker))
        connection = await broker.accept()

        connection.send(publish(b"1", packet_id=1, topic=b"a/\xff\0") + publish(b"2", packet_id=2, topic=b"a/+"))
        connection.send(publish(b"3", packet_id=3))

        await connection.receive(puback(1, 2, 3))
        assert intake.messages == [
            ("default", "a/\\xff\\x00", b"1"), ("default", "a/+", b"2"), ("default", "a/b", b"3"),
        ]  # fmt: skip


async def test_a_message_of_qos_2_is_received_once_it_is_durable(take: Take) -> None:
    """Of a session that subscribed with QoS 2 before it was ours."""
    async with Scripted() as broker:
        intake = await take(entry(broker))
        connection = await broker.accept(CONNACK_WITH_SESSION)

        connection.send(publish(b"twice", packet_id=9, qos=2))
        await connection.receive(bytes.fromhex("50 02 00 09"))
        connection.send(bytes.fromhex("62 02 00 09"))

        await connection.receive(bytes.fromhex("70 02 00 09"))
        assert intake.payloads == [b"twice"]


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (b"\x32\x04\x00\xff\x00\x00", "bad_packet"),  # a PUBLISH whose topic ends behind it
        (b"\x32\x05\x00\x00\x00\x01\x00", "bad_packet"),  # no topic
        (b"\x30\xff\xff\xff\xff\x01", "bad_packet"),  # a length of five bytes
        (CONNACK, "bad_packet"),  # a second one
        (PINGRESP * 101, "bad_packet"),  # it was asked for none
        (b"\x36\x06\x00\x01a\x00\x01\x00", "bad_packet"),  # QoS 3
        (b"\x30\x06\x00\x00\x03\x23\x00\x05", "bad_packet"),  # a topic alias that was never set
        (b"\xf0\x00", "lost"),  # AUTH, which nobody asked for
        (b"\xe0\x01\x8e", "taken_over"),
        (b"\xe0\x00", "refused"),
    ],
    ids=[
        *("lengths", "no topic", "long length", "connack", "flood", "qos", "alias"),
        *("auth", "taken over", "goodbye"),
    ],
)
async def test_a_connection_that_goes_wrong_ends_alone_and_another_is_made(
    take: Take, bad: bytes, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Scripted() as broker:
        intake = await take(entry(broker))
        first = await broker.accept()
        first.send(publish(b"before", packet_id=1))
        await first.receive(puback(1))

        first.send(bad)
        assert await first.rest() == b""
        second = await broker.accept()
        second.send(publish(b"after", packet_id=1))

        await second.receive(puback(1))
        assert intake.payloads == [b"before", b"after"]
        assert value(metrics.broker_errors, broker, kind) == 1
        assert "trying again in" in caplog.text


@pytest.mark.parametrize(
    "bad",
    [
        bytes(range(256)) * 4,
        b"\x20\xff\xff\xff\xff\x01",
        b"\x20\x06\x00\x00\x03\xff\xff\xff",  # properties that end behind it
        b"\x20\x06\x00\x00\x03\x21\x00\x00",  # receive maximum 0
        b"\x20\x03\x00\xee\x00",  # a reason that there is not
        b"\xf0\x02\x18\x00",
    ],
    ids=["rubbish", "long length", "properties", "window", "reason", "auth"],
)
async def test_what_comes_for_a_connack_and_is_none_ends_this_connection(take: Take, bad: bytes) -> None:
    async with Scripted() as broker:
        intake = await take(entry(broker))
        first = await broker.accept(bad, granted=None)
        await first.rest()

        second = await broker.accept()
        second.send(publish(b"after", packet_id=1))

        await second.receive(puback(1))
        assert intake.payloads == [b"after"]


async def test_the_session_outlives_its_connection_under_an_id_that_stays(take: Take) -> None:
    async with Scripted() as broker:
        first = await take(entry(broker, session_expiry="1h", receive_maximum=5000))
        connection = await broker.accept()
        connect = connection.connect
        await first.stop()
        assert (await connection.rest())[-2:] == b"\xe0\x00"

        await take(entry(broker, session_expiry="1h", receive_maximum=5000))

        assert (await broker.accept()).connect == connect
        assert connect[9] == 0  # clean start, user name, password, will: none
        assert b"\x11\x00\x00\x0e\x10" in connect  # session expiry interval 3600
        assert b"\x21\x13\x88" in connect  # receive maximum 5000
        assert len(connect[connect.index(b"streamgauge-") :]) == 23


@pytest.mark.parametrize(
    ("connack", "kind", "words"),
    [
        (b"\x20\x03\x00\x86\x00", "credentials", "set the user name and password"),
        (b"\x20\x03\x00\x87\x00", "not_authorised", "access rules"),
        (b"\x20\x03\x00\x84\x00", "version", 'set version: "3.1.1"'),
        (b"\x20\x03\x00\x88\x00", "unavailable", "it is tried again"),
    ],
)
async def test_a_refusal_is_told_with_what_to_do_and_tried_again(
    take: Take, connack: bytes, kind: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Scripted() as broker:
        intake = await take(entry(broker))
        await broker.accept(connack)
        connection = await broker.accept(CONNACK)
        connection.send(publish(b"at last", packet_id=1))

        await intake.has([b"at last"])
        assert value(metrics.broker_errors, broker, kind) == 1
        assert "refuses the connection" in caplog.text
        assert words in caplog.text


async def test_a_filter_that_is_refused_is_told_and_the_others_are_served(
    take: Take, caplog: pytest.LogCaptureFixture
) -> None:
    async with Scripted() as broker:
        intake = await take(entry(broker, topics=["a/#", "secret/#"]))
        connection = await broker.accept(granted=b"\x01\x87")

        connection.send(publish(b"1", packet_id=1))

        await intake.has([b"1"])
        assert value(metrics.broker_errors, broker, "not_authorised") == 1
        assert "refuses the subscription to 'secret/#'" in caplog.text


async def test_while_the_log_takes_nothing_the_broker_keeps_the_rest_and_hears_from_us(take: Take) -> None:
    """Beyond its keep-alive, on the same connection; then everything comes."""
    async with Scripted() as broker:
        settings = Broker(**entry(broker))
        soon = settings.model_copy(update={"keep_alive": settings.keep_alive / 60})
        intake = await take(soon, max_messages=1, max_waiting_messages=10)
        connection = await broker.accept()
        intake.log.is_full = True

        for number in range(1, 1001):
            connection.send(publish(b"x" * 2000, packet_id=number))
        assert await connection.packet() == PINGREQ
        assert await connection.packet() == PINGREQ
        connection.send(PINGRESP * 2)
        assert intake.gateway.stage.is_pressed
        assert value(metrics.broker_messages, broker) < 1000
        intake.log.is_full = False

        expected, acks = puback(*range(1, 1001)), b""
        while len(acks) < len(expected):  # with pings between them, if it takes longer than half a keep-alive
            packet = await connection.packet()
            if packet == PINGREQ:
                connection.send(PINGRESP)
            else:
                acks += packet
        assert acks == expected
        assert len(intake.payloads) == 1000
        assert value(metrics.broker_reconnects, broker) == 0


async def test_a_broker_that_hangs_is_noticed_by_its_keep_alive_and_left(take: Take) -> None:
    """It takes our ping, and says nothing; another connection finds it well again."""
    async with Scripted() as broker:
        settings = Broker(**entry(broker))
        intake = await take(settings.model_copy(update={"keep_alive": settings.keep_alive / 60}))
        hanging = await broker.accept()
        assert await hanging.rest() == PINGREQ

        well = await broker.accept()
        well.send(publish(b"well again", packet_id=1))

        await well.receive(puback(1))
        assert intake.payloads == [b"well again"]
        assert value(metrics.broker_errors, broker, "lost") == 1


async def test_a_subscription_whose_answer_was_lost_is_asked_for_again(take: Take) -> None:
    """With 3.1.1 too, where a subscription that was granted is not."""
    async with Scripted() as broker:
        await take(entry(broker, version="3.1.1"))
        first = await broker.accept(bytes.fromhex("20 02 00 00"), granted=None)
        assert (await first.packet())[0] == 0x82
        first.cut()

        second = await broker.accept(bytes.fromhex("20 02 01 00"), granted=None)

        assert (await second.packet())[0] == 0x82
