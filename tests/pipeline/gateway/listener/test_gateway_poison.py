"""No message of a device keeps out what it sends later: neither what is too large nor what MQTT forbids."""

from __future__ import annotations

import pytest
from byte_devices import Listen, Listener, until
from prometheus_client import REGISTRY

from pipeline.gateway.mqtt.codes import Version
from pipeline.gateway.mqtt.encode import pubacks, pubrecs
from pipeline.gateway.mqtt.fields import encode_binary, encode_text
from pipeline.gateway.mqtt.oversized import HEAD_BYTES, KEPT_BYTES
from pipeline.log.dead_letter import Reason
from tests.support.mqtt_packets import packet, properties_of, publish

V3, V5 = Version.V3_1_1, Version.V5
LIMIT = 262_144
LARGE = b'{"image": "' + b"x" * LIMIT


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"streamgauge_gateway_{name}_total", labels) or 0.0


@pytest.mark.parametrize(("qos", "answer"), [(0, b""), (1, pubacks([b"\0\1"])), (2, pubrecs([b"\0\1"]))])
@pytest.mark.parametrize("version", Version)
async def test_a_message_that_is_too_large_becomes_a_dead_letter_and_later_ones_are_stored(
    listener: Listener, version: Version, qos: int, answer: bytes
) -> None:
    device = await listener.device("d", version)
    device.send(publish("cam/1", LARGE, packet_id=1 if qos else 0, qos=qos, version=version))
    device.send(publish("cam/1", b"2", packet_id=2, version=version))

    await device.receive(answer + pubacks([b"\0\2"]) if qos < 2 else pubrecs([b"\0\1"]) + pubacks([b"\0\2"]))
    assert listener.payloads == [b"2"]
    ((topic, rejection),) = listener.rejected
    assert (topic, rejection.reason, rejection.payload) == ("cam/1", Reason.TOO_LARGE, LARGE[:KEPT_BYTES])
    assert f"a message of {len(LARGE)} bytes" in rejection.detail


@pytest.mark.parametrize("size", [LIMIT - 10, LIMIT - 9, LIMIT - 8])
async def test_the_limit_is_of_the_packet(listener: Listener, size: int) -> None:
    device = await listener.device()
    device.send(publish("t", bytes(size), packet_id=1))  # header 4, topic 3, identifier 2

    await device.receive(pubacks([b"\0\1"]))
    assert bool(listener.payloads) == (size + 9 <= LIMIT)
    assert bool(listener.rejected) == (size + 9 > LIMIT)


async def test_what_is_too_large_is_not_kept_in_memory_while_it_goes_by(listener: Listener) -> None:
    device = await listener.device()
    (session,) = listener.gateway._sessions
    data = publish("t", bytes(20_000_000), packet_id=1)
    device.send(data[:10_000_000])
    await until(lambda: session._oversized is not None and session._oversized.left <= 10_000_000 + 100)

    assert session._oversized is not None
    assert len(session._oversized.head) == HEAD_BYTES
    assert session._partial is None
    device.send(data[10_000_000:])
    await device.receive(pubacks([b"\0\1"]))


@pytest.mark.parametrize("step", [97, 7_001, 80_000])
async def test_what_is_too_large_may_come_in_any_pieces_between_others(listen: Listen, step: int) -> None:
    listener = await listen(max_packet_bytes=20_000)
    device = await listener.device()
    data = b"".join(publish("t", bytes(size), packet_id=i) for i, size in enumerate((1, 100_000, 2), 1))
    for at in range(0, len(data), step):
        device.send(data[at : at + step])
        await device.writer.drain()

    await device.receive(pubacks([b"\0\1", b"\0\2", b"\0\3"]))
    assert (listener.payloads, len(listener.rejected)) == ([bytes(1), bytes(2)], 1)


async def test_a_message_that_is_too_large_sets_its_topic_alias(listener: Listener) -> None:
    device = await listener.device("d", V5)
    alias = b"\x23\0\1"
    device.send(publish("cam/1", LARGE, packet_id=1, version=V5, properties=alias))
    device.send(publish("", b"2", packet_id=2, version=V5, properties=alias))

    await device.receive(pubacks([b"\0\1", b"\0\2"]))
    assert listener.messages == [("default", "cam/1", b"2")]
    assert listener.rejected[0][0] == "cam/1"


async def test_another_packet_that_is_too_large_ends_the_connection(listener: Listener) -> None:
    device = await listener.device("d", V5)
    device.send(packet(0x82, bytes(LIMIT))[:10])

    assert (await device.closed())[2] == 0x95


BAD = {
    "a wildcard": (encode_text("a/#"), b"", "bad_topic", 0x90, "a/#"),
    "no topic": (encode_text(""), b"", "bad_topic", 0x90, ""),
    "NUL": (encode_text("a\0b"), b"", "bad_utf8", 0x81, "a\\x00b"),
    "not UTF-8": (encode_binary(b"a/\xff"), b"", "bad_utf8", 0x81, "a/\\xff"),
    "too long": (encode_text("t" * 2_049), b"", "bad_topic", 0x90, "t" * 2_048),
    "an alias never set": (encode_text(""), b"\x23\0\1", "protocol_error", 0x82, ""),
    "an alias out of range": (encode_text("t"), b"\x23\0\x21", "bad_topic_alias", 0x94, "t"),
    "a property of other packets": (encode_text("t"), b"\x0b\1", "bad_property", 0x81, "t"),
    "a response topic with a wildcard": (encode_text("t"), b"\x08\0\1#", "protocol_error", 0x82, "t"),
}


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize(("topic", "properties", "reason", "code", "shown"), BAD.values(), ids=BAD)
async def test_a_message_that_mqtt_forbids_ends_one_connection_and_is_then_acknowledged(
    listener: Listener, topic: bytes, properties: bytes, reason: str, code: int, shown: str, qos: int
) -> None:
    """The client sends it again at the head of each connection, as clients do that keep what was not acknowledged."""
    before = counted("malformed", reason=reason)
    bad = packet(0x30 | qos << 1, topic + b"\0\1" + properties_of(V5, properties) + b"{}")
    good = publish("t", b"good", packet_id=2, version=V5)
    first = await listener.device("d", V5)
    first.send(bad + good)
    goodbye = await first.closed()

    again = await listener.device("d", V5)
    again.send(bad + good)

    assert goodbye[2] == code
    first_ack = pubacks([b"\0\1"]) if qos == 1 else pubrecs([b"\0\1"])
    await again.receive(first_ack + pubacks([b"\0\2"]))
    assert listener.payloads == [b"good"]
    assert [(topic, each.reason, each.payload) for topic, each in listener.rejected] == [
        (shown, Reason.BAD_PUBLISH, b"{}")
    ] * 2
    assert listener.rejected[0][1].detail.startswith(reason)
    assert counted("malformed", reason=reason) == before + 2


@pytest.mark.parametrize("bad", [packet(0x36, b"\0\1t\0\1x"), packet(0x32, b"\0\1t\0\0x"), packet(0x32, b"\0\x09t")])
async def test_what_nobody_could_acknowledge_ends_every_connection(listener: Listener, bad: bytes) -> None:
    for _ in range(3):
        device = await listener.device()
        device.send(bad)
        assert await device.closed() == b""

    assert not listener.frames


async def test_a_client_is_forgiven_for_itself_alone(listener: Listener) -> None:
    bad = publish("a/+", b"x", packet_id=1)
    for client_id in ("a", "b"):
        device = await listener.device(client_id)
        device.send(bad)
        assert await device.closed() == b""

    device = await listener.device("a")
    device.send(bad)
    await device.receive(pubacks([b"\0\1"]))


@pytest.mark.parametrize(
    ("version", "kind", "answer"),
    [(V3, 0x40, b""), (V5, 0x70, b""), (V3, 0x50, b"\x62\2\0\1"), (V5, 0x50, b"\x62\3\0\1\x92")],
    ids=["PUBACK", "PUBCOMP", "PUBREC 3.1.1", "PUBREC 5"],
)
async def test_answers_to_messages_that_we_never_sent_are_counted_and_let_go(
    listener: Listener, version: Version, kind: int, answer: bytes
) -> None:
    before = counted("refused", reason="stray")
    device = await listener.device("d", version)
    device.send(packet(kind, b"\0\1") + b"\xc0\0")

    await device.receive(answer + b"\xd0\0")
    assert counted("refused", reason="stray") == before + 1


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_clearing_a_retained_message_leaves_nothing_and_is_counted(listener: Listener, qos: int) -> None:
    before = counted("cleared")
    device = await listener.device()
    for topic in ("new", "new", "t"):  # also where the name is known
        device.send(publish(topic, b"", packet_id=1 if qos else 0, qos=qos, flags=0x01))
        if qos:
            await device.receive((pubacks if qos == 1 else pubrecs)([b"\0\1"]))
        if qos == 2:
            device.send(packet(0x62, b"\0\1"))
            await device.receive(packet(0x70, b"\0\1"))
    device.send(publish("t", b"", packet_id=2))  # without RETAIN it is a message, and says nothing
    await device.receive(pubacks([b"\0\2"]))

    assert listener.payloads == [b""]
    assert counted("cleared") == before + 3


async def test_the_acknowledgement_of_what_leaves_nothing_keeps_its_place(listener: Listener) -> None:
    listener.log.is_stalled = True
    device = await listener.device()
    device.send(publish("t", b"1", packet_id=1))
    await until(lambda: listener.log.waiting_bytes > 0)
    device.send(publish("t", b"", packet_id=2, flags=0x01) + publish("t", b"3", packet_id=3) + b"\xc0\0")
    await device.receive(b"\xd0\0")
    listener.log.is_stalled = False
    listener.log.let_go()

    await device.receive(pubacks([b"\0\1", b"\0\2", b"\0\3"]))


@pytest.mark.parametrize(("payload", "is_kept"), [(b"1", False), (b"0", False), (b'{"v": 1}', True)])
async def test_what_a_bridge_says_of_itself_is_no_reading(listener: Listener, payload: bytes, is_kept: bool) -> None:
    topic = "$SYS/broker/connection/site.up/state"
    will = encode_text(topic) + encode_binary(b"0")
    bridge = await listener.device("site.up", flags=0x2E, payload=will)
    bridge.send(publish(topic, payload, packet_id=1, flags=0x01) * 2)
    await bridge.receive(pubacks([b"\0\1", b"\0\1"]))
    gone = counted("bridge_states", state="gone")
    bridge.abort()

    await until(lambda: counted("bridge_states", state="gone") == gone + 1)
    assert listener.payloads == [payload] * 2 * is_kept
