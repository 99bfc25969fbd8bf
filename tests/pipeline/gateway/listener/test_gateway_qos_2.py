"""QoS 2: each message once while the connection stands, acknowledged when it is durable."""

from __future__ import annotations

import pytest
from byte_devices import Listen, Listener, until
from prometheus_client import REGISTRY

from pipeline.gateway.mqtt.codes import Version
from pipeline.gateway.mqtt.encode import pubacks, pubrecs
from pipeline.gateway.mqtt.fields import encode_binary, encode_text
from tests.support.mqtt_packets import packet, properties_of, publish

V3, V5 = Version.V3_1_1, Version.V5


def ids(*numbers: int) -> list[bytes]:
    return [number.to_bytes(2, "big") for number in numbers]


def exactly(payload: bytes, packet_id: int, version: Version = V3, *, flags: int = 0, topic: str = "t") -> bytes:
    return publish(topic, payload, packet_id=packet_id, qos=2, version=version, flags=flags)


def pubrel(packet_id: int) -> bytes:
    return packet(0x62, packet_id.to_bytes(2, "big"))


def pubcomp(packet_id: int) -> bytes:
    return packet(0x70, packet_id.to_bytes(2, "big"))


@pytest.mark.parametrize("version", Version)
async def test_pubrec_leaves_after_the_log_has_the_message_and_pubrel_is_answered(
    listener: Listener, version: Version
) -> None:
    device = await listener.device("d", version)
    listener.log.is_stalled = True
    device.send(exactly(b"1", 7, version))
    await until(lambda: listener.log.waiting_bytes > 0)
    device.send(b"\xc0\0")
    await device.receive(b"\xd0\0")  # a PUBREC sent before would have come before

    listener.log.let_go()
    await device.receive(pubrecs(ids(7)))
    device.send(pubrel(7))

    await device.receive(pubcomp(7))
    assert listener.payloads == [b"1"]


@pytest.mark.parametrize("is_durable", [True, False])
async def test_a_message_sent_again_before_its_pubrel_is_taken_in_once_and_acknowledged(
    listener: Listener, is_durable: bool
) -> None:
    before = REGISTRY.get_sample_value("streamgauge_gateway_repeated_total") or 0
    device = await listener.device()
    if is_durable:
        device.send(exactly(b"1", 7))
        await device.receive(pubrecs(ids(7)))
        device.send(exactly(b"1", 7, flags=0x08))
    else:
        device.send(exactly(b"1", 7) + exactly(b"1", 7, flags=0x08))

    await device.receive(pubrecs(ids(7)))
    device.send(pubrel(7) + exactly(b"2", 7))  # let go of, the identifier means another message
    await device.receive(pubcomp(7) + pubrecs(ids(7)))
    assert listener.payloads == [b"1", b"2"]
    assert REGISTRY.get_sample_value("streamgauge_gateway_repeated_total") == before + 1


async def test_pubrecs_come_in_the_order_of_publishes_also_to_a_message_sent_again(listener: Listener) -> None:
    device = await listener.device()
    device.send(exactly(b"1", 1))
    await device.receive(pubrecs(ids(1)))
    listener.log.is_stalled = True
    device.send(exactly(b"2", 2) + exactly(b"1", 1, flags=0x08) + exactly(b"3", 3))
    await until(lambda: listener.log.waiting_bytes > 0)
    listener.log.is_stalled = False
    listener.log.let_go()

    await device.receive(pubrecs(ids(2, 1, 3)))
    assert listener.payloads == [b"1", b"2", b"3"]


async def test_an_answer_to_a_message_sent_again_is_not_taken_for_that_of_the_next_one(listener: Listener) -> None:
    """It waits behind another message, while the device lets go of the identifier and uses it again."""
    device = await listener.device()
    device.send(exactly(b"1", 1))
    await device.receive(pubrecs(ids(1)))
    listener.log.is_stalled = True
    device.send(exactly(b"2", 2) + exactly(b"1", 1, flags=0x08) + pubrel(1))
    await device.receive(pubcomp(1))
    await until(lambda: listener.log.waiting_bytes > 0)
    device.send(exactly(b"3", 1))
    device.send(b"\xc0\0")
    await device.receive(b"\xd0\0")
    listener.log.let_go()  # the second message, and not yet the third

    await device.receive(pubrecs(ids(2)))
    device.send(b"\xc0\0")
    await device.receive(b"\xd0\0")
    await until(lambda: listener.log.waiting_bytes > 0)
    listener.log.let_go()
    await device.receive(pubrecs(ids(1)))
    assert listener.payloads == [b"1", b"2", b"3"]


async def test_messages_of_all_qos_are_acknowledged_each_in_their_way_and_keep_their_order(listener: Listener) -> None:
    device = await listener.device()
    device.send(
        publish("t", b"1", packet_id=1) + exactly(b"2", 2) + publish("t", b"3") + publish("t", b"4", packet_id=4)
    )

    await device.receive(pubacks(ids(1, 4)) + pubrecs(ids(2)))
    assert listener.payloads == [b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize(("version", "answer"), [(V3, b"\x70\2\0\7"), (V5, b"\x70\3\0\7\x92")])
async def test_a_pubrel_of_an_unknown_message_as_after_a_new_connection_is_answered(
    listener: Listener, version: Version, answer: bytes
) -> None:
    device = await listener.device("d", version)
    device.send(pubrel(7))

    await device.receive(answer)


async def test_a_pubrel_before_the_pubrec_ends_the_connection(listener: Listener) -> None:
    listener.log.is_stalled = True
    device = await listener.device("d", V5)
    device.send(exactly(b"1", 7, V5) + pubrel(7))

    assert (await device.closed())[2] == 0x82


@pytest.mark.parametrize(("held", "is_allowed"), [(4, True), (5, True), (6, False)])
async def test_a_message_counts_against_the_receive_maximum_until_its_pubrel(
    listen: Listen, held: int, is_allowed: bool
) -> None:
    listener = await listen(receive_maximum=5)
    device = await listener.device("d", V5)
    for number in range(1, 20):  # these are through, and do not count
        device.send(exactly(b"x", number, V5))
        await device.receive(pubrecs(ids(number)))
        device.send(pubrel(number))
        await device.receive(pubcomp(number))
    device.send(b"".join(exactly(b"x", number, V5) for number in range(1, held)))
    await device.receive(pubrecs(ids(*range(1, held))))
    device.send(exactly(b"x", held, V5))

    if is_allowed:
        await device.receive(pubrecs(ids(held)))
    else:
        assert (await device.closed())[2] == 0x93


@pytest.mark.parametrize("version", Version)
async def test_a_will_of_qos_2_is_taken_in(listener: Listener, version: Version) -> None:
    will = properties_of(version, b"") + encode_text("wills/d") + encode_binary(b"gone")
    device = await listener.device("d", version, flags=0x16, payload=will)
    device.abort()

    await until(lambda: listener.messages == [("default", "wills/d", b"gone")])


async def test_messages_are_counted_by_qos(listener: Listener) -> None:
    def counted() -> list[float]:
        name = "streamgauge_gateway_messages_total"
        return [REGISTRY.get_sample_value(name, {"qos": qos}) or 0 for qos in "012"]

    before = counted()
    device = await listener.device()
    device.send(publish("t", b"1") + exactly(b"2", 2) + exactly(b"2", 2, flags=0x08) + publish("t", b"3", packet_id=3))
    await device.receive(pubrecs(ids(2)) + pubacks(ids(3)))

    assert [now - then for now, then in zip(counted(), before, strict=True)] == [1, 1, 1]
