"""What becomes of messages: frames, stamps, PUBACKs."""

from __future__ import annotations

import pytest
from byte_devices import Listen, Listener, until
from prometheus_client import REGISTRY

from pipeline.gateway.mqtt.codes import Version
from pipeline.gateway.mqtt.encode import pubacks
from pipeline.gateway.mqtt_to_readings import BatchSettings
from tests.support.mqtt_packets import publish

V3, V5 = Version.V3_1_1, Version.V5


def acks(*packet_ids: int) -> bytes:
    return pubacks([packet_id.to_bytes(2, "big") for packet_id in packet_ids])


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"streamgauge_gateway_{name}_total", labels) or 0.0


@pytest.mark.parametrize("version", Version)
async def test_no_puback_leaves_before_the_log_has_the_message(listener: Listener, version: Version) -> None:
    device = await listener.device("d", version)
    listener.log.is_stalled = True
    device.send(publish("t", b"1", packet_id=1, version=version))
    await until(lambda: listener.log.waiting_bytes > 0)
    device.send(b"\xc0\0")
    await device.receive(b"\xd0\0")  # what was acknowledged before would have come before

    listener.log.let_go()

    await device.receive(acks(1))
    assert listener.payloads == [b"1"]


@pytest.mark.parametrize("version", Version)
async def test_pubacks_come_in_the_order_of_publishes(listener: Listener, version: Version) -> None:
    ids = [7, 3, 65_535, 1, *range(100, 400)]
    device = await listener.device("d", version)
    device.send(b"".join(publish("t/x", b"%d" % i, packet_id=i, version=version) for i in ids))

    await device.receive(acks(*ids))
    assert listener.payloads == [b"%d" % i for i in ids]


async def test_messages_of_qos_0_travel_in_the_same_frame_and_keep_their_place(listener: Listener) -> None:
    device = await listener.device()
    device.send(publish("t", b"1", packet_id=1) + publish("t", b"2") + publish("u", b"3", packet_id=2))

    await device.receive(acks(1, 2))
    (frame,) = listener.frames
    assert (frame.mqtt_topics, frame.payloads) == (["t", "t", "u"], [b"1", b"2", b"3"])


async def test_dup_and_retain_are_accepted_and_change_nothing(listener: Listener) -> None:
    device = await listener.device()
    device.send(publish("t", b"1", packet_id=1, flags=0x09) + publish("t", b"2", flags=0x01))
    device.send(publish("t", b"3", packet_id=2, flags=0x08))

    await device.receive(acks(1, 2))
    assert listener.payloads == [b"1", b"2", b"3"]


async def test_a_frame_closes_at_its_number_of_messages(listen: Listen) -> None:
    listener = await listen(batch=BatchSettings(close_after_s=3600, max_messages=10))
    device = await listener.device()
    device.send(b"".join(publish("t", b"x", packet_id=i) for i in range(1, 26)))

    await device.receive(acks(*range(1, 21)))
    assert [len(frame) for frame in listener.frames] == [10, 10]


async def test_a_frame_closes_at_its_size(listen: Listen) -> None:
    listener = await listen(batch=BatchSettings(close_after_s=3600, max_bytes=1_000))
    device = await listener.device()
    device.send(publish("t", bytes(1_000), packet_id=1))

    await device.receive(acks(1))


async def test_messages_read_together_have_stamps_of_their_own_in_their_order(listener: Listener) -> None:
    device = await listener.device()
    device.send(b"".join(publish("t", b"x", packet_id=i) for i in range(1, 8)))

    await device.receive(acks(*range(1, 8)))
    stamps = [stamp for frame in listener.frames for stamp in frame.arrival_ns]
    assert len(stamps) == 7
    assert stamps == sorted(set(stamps))


async def test_messages_of_many_devices_share_a_frame_and_each_gets_its_own_pubacks(listener: Listener) -> None:
    devices = [await listener.device(f"d{i}") for i in range(20)]
    listener.log.is_stalled = True
    devices[0].send(publish("t", b"first", packet_id=9))
    await until(lambda: listener.log.waiting_bytes > 0)
    for i, device in enumerate(devices):
        device.send(publish("t", b"%d" % i, packet_id=i + 1))
    await until(lambda: len(listener.gateway.stage.batch.arrival_ns) == 20)
    listener.log.is_stalled = False
    listener.log.let_go()

    await devices[0].receive(acks(9, 1))
    for i, device in enumerate(devices[1:], 1):
        await device.receive(acks(i + 1))
    assert [len(frame) for frame in listener.frames] == [1, 20]


async def test_a_packet_larger_than_16_kib_is_taken_in(listener: Listener) -> None:
    device = await listener.device()
    device.send(publish("t", bytes(200_000), packet_id=1) + publish("t", b"2", packet_id=2))

    await device.receive(acks(1, 2))
    assert [len(payload) for payload in listener.payloads] == [200_000, 1]


async def test_properties_that_mean_nothing_here_are_read_over(listener: Listener) -> None:
    properties = b"\x01\x01\x02\0\0\0\x09\x03\0\4json\x26\0\1a\0\1b"
    device = await listener.device("d", V5)
    device.send(publish("t", b"1", packet_id=1, version=V5, properties=properties))

    await device.receive(acks(1))
    assert listener.messages == [("default", "t", b"1")]


async def test_a_topic_alias_stands_for_the_topic_it_was_last_set_to(listener: Listener) -> None:
    def of_alias(topic: str, payload: bytes) -> bytes:
        return publish(topic, payload, version=V5, properties=b"\x23\0\1")

    device = await listener.device("d", V5)
    device.send(of_alias("a", b"1") + of_alias("", b"2") + of_alias("b", b"3") + of_alias("", b"4"))

    await until(lambda: len(listener.payloads) == 4)
    assert [topic for _, topic, _ in listener.messages] == ["a", "a", "b", "b"]


@pytest.mark.parametrize(
    ("topic", "alias", "code"), [("t", 0, 0x94), ("t", 33, 0x94), ("", 1, 0x82)], ids=["zero", "too high", "never set"]
)
async def test_a_bad_topic_alias_ends_the_connection(listener: Listener, topic: str, alias: int, code: int) -> None:
    device = await listener.device("d", V5)
    device.send(publish(topic, b"x", version=V5, properties=b"\x23" + alias.to_bytes(2, "big")))

    assert (await device.closed())[2] == code


@pytest.mark.parametrize(("unacknowledged", "is_allowed"), [(4, True), (5, True), (6, False)])
async def test_the_receive_maximum_is_enforced(listen: Listen, unacknowledged: int, is_allowed: bool) -> None:
    listener = await listen(receive_maximum=5)
    listener.log.is_stalled = True
    device = await listener.device("d", V5)
    device.send(b"".join(publish("t", b"x", packet_id=i, version=V5) for i in range(1, unacknowledged + 1)))
    device.send(b"\xc0\0")

    if is_allowed:
        await device.receive(b"\xd0\0")
    else:
        assert (await device.closed())[2] == 0x93


@pytest.mark.parametrize(("version", "code"), [(V3, None), (V5, 0x81)])
async def test_a_bad_packet_ends_its_own_connection_and_is_counted(
    listener: Listener, version: Version, code: int | None
) -> None:
    before = counted("malformed", reason="bad_flags")
    other = await listener.device("other")
    device = await listener.device("d", version)
    device.send(publish("t", b"1", packet_id=1, version=version) + publish("a", b"2", qos=3, version=version))

    goodbye = await device.closed()

    assert (goodbye[2] if goodbye else None) == code
    assert counted("malformed", reason="bad_flags") == before + 1
    other.send(publish("t", b"3", packet_id=3))
    await other.receive(acks(3))
    assert listener.payloads == [b"1", b"3"]


async def test_subscribe_is_refused_and_the_connection_stays(listener: Listener) -> None:
    old, new = await listener.device("old", V3), await listener.device("new", V5)
    old.send(b"\x82\x0a\0\1\0\1a\1\0\1#\0" + b"\xa2\5\0\2\0\1a" + b"\xc0\0")
    new.send(b"\x82\x0b\0\1\0\0\1a\1\0\1#\0" + b"\xa2\6\0\2\0\0\1a" + b"\xc0\0")

    await old.receive(b"\x90\4\0\1\x80\x80" + b"\xb0\2\0\2" + b"\xd0\0")
    await new.receive(b"\x90\5\0\1\0\x87\x87" + b"\xb0\4\0\2\0\x11" + b"\xd0\0")


async def test_disconnect_ends_the_connection_and_what_was_sent_before_is_kept(listener: Listener) -> None:
    device = await listener.device()
    device.send(publish("t", b"1") + b"\xe0\0" + publish("t", b"2"))

    assert await device.closed() == b""
    await until(lambda: listener.payloads == [b"1"])


async def test_messages_are_counted_by_qos(listener: Listener) -> None:
    before = [counted("messages", qos=qos) for qos in "01"] + [counted("acknowledged")]
    device = await listener.device()
    device.send(publish("t", b"1", packet_id=1) + publish("t", b"2") + publish("u", b"3", packet_id=2))
    await device.receive(acks(1, 2))

    after = [counted("messages", qos=qos) for qos in "01"] + [counted("acknowledged")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 2, 2]
