"""An account that sends more than its quota allows is read more slowly: nothing is lost, and others are not harmed."""

from __future__ import annotations

from byte_devices import Listen, until
from prometheus_client import REGISTRY

from pipeline.gateway.listener.settings import User
from pipeline.gateway.mqtt.encode import pubacks
from pipeline.gateway.mqtt.fields import encode_text
from tests.support.mqtt_packets import connect, publish

USERS = (User("farm", "f", "farm"), User("zoo", "z", "zoo"))
NEVER = 1e-6  # messages a second


def acks(*packet_ids: int) -> bytes:
    return pubacks([packet_id.to_bytes(2, "big") for packet_id in packet_ids])


def messages(first: int, last: int) -> bytes:
    return b"".join(publish("t", b"%d" % number, packet_id=number) for number in range(first, last + 1))


def held() -> float:
    labels = {"account": "default", "quota": "messages_per_second"}
    return REGISTRY.get_sample_value("streamgauge_quota_refusals_total", labels) or 0.0


async def test_what_is_sent_too_fast_is_taken_later_and_in_order(listen: Listen) -> None:
    listener, before = await listen(message_rates=lambda _: 100.0), held()
    device = await listener.device()

    for first in range(1, 121, 20):  # each is read by itself: 120 messages, of which 100 are free at once
        device.send(messages(first, first + 19))
        await until(lambda first=first: len(listener.payloads) >= min(first + 19, 100))  # type: ignore[misc]

    await device.receive(acks(*range(1, 121)))
    assert listener.payloads == [b"%d" % number for number in range(1, 121)]
    assert held() > before


async def test_others_are_read_and_who_is_held_is_not_taken_for_silent(listen: Listen) -> None:
    listener = await listen(users=USERS, message_rates=lambda account: NEVER if account == "farm" else None)
    farm, zoo = await listener.dial(), await listener.dial()
    for device, name in ((farm, "farm"), (zoo, "zoo")):
        credentials = encode_text(name) + encode_text(name[:1])
        device.send(connect(name, keep_alive_s=10, flags=0xC2, payload=credentials))
        await device.packet()
    farm.send(messages(1, 3))
    await farm.receive(acks(1, 2, 3))
    throttle = listener.gateway.stage.throttle
    assert throttle is not None
    await until(lambda: any(map(throttle.is_holding, listener.gateway._sessions)))

    farm.send(messages(4, 4))
    for number in range(1, 4):
        listener.turn(5)
        zoo.send(messages(number, number))
        await zoo.receive(acks(number))

    assert [message[0] for message in listener.messages] == ["farm"] * 3 + ["zoo"] * 3
    assert len(listener.gateway._sessions) == 2


async def test_who_is_held_may_go(listen: Listen) -> None:
    listener = await listen(message_rates=lambda _: NEVER)
    device = await listener.device()
    device.send(messages(1, 3))
    await device.receive(acks(1, 2, 3))
    throttle = listener.gateway.stage.throttle
    assert throttle is not None
    await until(lambda: any(map(throttle.is_holding, listener.gateway._sessions)))
    (session,) = listener.gateway._sessions

    session.abort()

    await until(lambda: not listener.gateway._sessions)
    assert not throttle.is_holding(session)
