"""Through a real Mosquitto into the log: what arrives, as whose, and how often."""

from __future__ import annotations

from typing import Any

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from pipeline.base import metrics
from pipeline.gateway.mqtt.oversized import KEPT_BYTES
from pipeline.log.dead_letter import Reason
from tests.support.broker_intake import Publisher, Take, until
from tests.support.mosquitto import Mosquitto

VERSIONS = ("5", "3.1.1")


def entry(mosquitto: Mosquitto, *topics: str, **settings: Any) -> dict[str, Any]:
    return {"url": f"mqtt://{mosquitto.address}", "topics": list(topics or ("a/#",)), **settings}


def numbered(count: int, name: str = "m") -> list[bytes]:
    return [f"{name}-{number}".encode() for number in range(count)]


async def subscribed(mosquitto: Mosquitto, times: int = 1) -> None:
    """Until the broker has answered so many SUBSCRIBEs of ours."""
    await until(lambda: mosquitto.log.count("Sending SUBACK to streamgauge-") >= times)


def count_of(metric: Any, mosquitto: Mosquitto) -> float:
    value: float = metric.labels(mosquitto.address)._value.get()
    return value


@pytest.mark.parametrize("version", VERSIONS)
async def test_messages_of_every_qos_arrive_once(
    version: str, mosquitto: Mosquitto, take: Take, publish: Publisher
) -> None:
    intake = await take(entry(mosquitto, version=version))
    await subscribed(mosquitto)

    for qos in (0, 1, 2):
        await publish(numbered(50, f"qos-{qos}"), qos=qos)

    await intake.has(numbered(50, "qos-0") + numbered(50, "qos-1") + numbered(50, "qos-2"))
    assert len(intake.payloads) == 150
    await until(lambda: count_of(metrics.broker_acknowledged, mosquitto) == 100)
    assert count_of(metrics.broker_messages, mosquitto) == 150
    assert count_of(metrics.broker_unacknowledged, mosquitto) == 0
    assert count_of(metrics.broker_connected, mosquitto) == 1


async def test_each_entry_has_its_account(mosquitto: Mosquitto, take: Take, publish: Publisher) -> None:
    intake = await take(entry(mosquitto, "a/#", account="farm-1"), entry(mosquitto, "b/#", account="farm-2"))
    await subscribed(mosquitto, 2)

    await publish([b"1"], "a/x")
    await publish([b"2"], "b/x")

    await intake.has([b"1", b"2"])
    assert sorted(intake.messages) == [("farm-1", "a/x", b"1"), ("farm-2", "b/x", b"2")]


async def test_no_message_stops_the_stream_however_odd(mosquitto: Mosquitto, take: Take, publish: Publisher) -> None:
    """Not empty ones, long or strange MQTT topics, properties, or sizes above what is kept."""
    intake = await take(entry(mosquitto, "#"))
    await subscribed(mosquitto)
    properties = Properties(PacketTypes.PUBLISH)
    properties.UserProperty = ("unit", "celsius")
    properties.MessageExpiryInterval = 3600
    large = b"x" * 300_000

    await publish([b""], "a/empty")
    await publish([b"long"], "l/" + "x" * 3_000)
    await publish([b"nul \0"], "//ä/ /")
    await publish([b"properties"], properties=properties)
    await publish([large], "a/large")
    await publish([b"17 KiB" * 3_000])
    await publish([b"last"])

    await intake.has([b"last"])
    assert intake.payloads == [b"long", b"nul \0", b"properties", b"17 KiB" * 3_000, b"last"]
    assert [(each.reason, each.payload) for each in intake.rejected] == [(Reason.TOO_LARGE, large[:KEPT_BYTES])]
    assert count_of(metrics.broker_cut_messages, mosquitto) == 1
    await until(lambda: count_of(metrics.broker_acknowledged, mosquitto) == 7)


async def test_what_was_published_while_the_gateway_was_away_comes_when_it_is_back(
    mosquitto: Mosquitto, take: Take, publish: Publisher
) -> None:
    first = await take(entry(mosquitto))
    await subscribed(mosquitto)
    await first.stop()

    await publish(numbered(300))
    mosquitto.restart()
    second = await take(entry(mosquitto))

    await second.has(numbered(300))
    assert len(second.payloads) == 300
    assert metrics.broker_errors.labels(mosquitto.address, "session_lost")._value.get() == 0


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_filter_that_was_removed_from_the_configuration_is_unsubscribed(
    version: str, mosquitto: Mosquitto, take: Take, publish: Publisher
) -> None:
    """Also one whose answer never came to us, as the gateway was gone the moment it had asked."""
    first = await take(entry(mosquitto, "a/#", "b/#", version=version))
    await until(lambda: "Received SUBSCRIBE from streamgauge-" in mosquitto.log)
    await first.stop()

    second = await take(entry(mosquitto, "a/#", "c/#", version=version))
    await subscribed(mosquitto, 2)
    await publish([b"b"], "b/x")
    await publish([b"c"], "c/x")

    await second.has([b"c"])
    assert second.payloads == [b"c"]


async def test_a_broker_that_has_forgotten_the_session_is_subscribed_to_again(
    mosquitto: Mosquitto, take: Take, publish: Publisher
) -> None:
    intake = await take(entry(mosquitto, version="3.1.1"))
    await subscribed(mosquitto)
    publish.close()

    mosquitto.restart(9)
    await subscribed(mosquitto, 2)
    again = Publisher(mosquitto.port)
    await again([b"after"])
    again.close()

    await intake.has([b"after"])
    assert count_of(metrics.broker_reconnects, mosquitto) == 1
    assert metrics.broker_errors.labels(mosquitto.address, "session_lost")._value.get() == 1


async def test_two_gateways_of_a_group_divide_the_messages(
    mosquitto: Mosquitto, take: Take, publish: Publisher
) -> None:
    """None is lost, none comes twice, and nobody takes over the other's session: on one data_dir, and on two."""
    gateways = [await take(entry(mosquitto, group="g"), folder=folder) for folder in ("one", "one", "two")]
    await subscribed(mosquitto, 3)

    await publish(numbered(600))

    await until(lambda: sum(len(gateway.payloads) for gateway in gateways) >= 600)
    assert sorted(payload for gateway in gateways for payload in gateway.payloads) == sorted(numbered(600))
    assert all(gateway.payloads for gateway in gateways)
    assert count_of(metrics.broker_connected, mosquitto) == 3
    assert count_of(metrics.broker_reconnects, mosquitto) == 0


async def test_a_member_of_a_group_that_goes_and_comes_back_finds_its_share(
    mosquitto: Mosquitto, take: Take, publish: Publisher
) -> None:
    stays = await take(entry(mosquitto, group="g"), folder="one")
    goes = await take(entry(mosquitto, group="g"), folder="two")
    await subscribed(mosquitto, 2)
    await publish(numbered(100, "both"))
    await goes.stop()

    await publish(numbered(200, "one"))
    back = await take(entry(mosquitto, group="g"), folder="two")

    wanted = numbered(100, "both") + numbered(200, "one")
    await until(lambda: len(stays.payloads + goes.payloads + back.payloads) >= 300)
    assert sorted(stays.payloads + goes.payloads + back.payloads) == sorted(wanted)


async def test_without_a_group_one_gateway_of_a_data_dir_takes_in_and_not_all(
    mosquitto: Mosquitto, take: Take, publish: Publisher
) -> None:
    first, second = await take(entry(mosquitto)), await take(entry(mosquitto))
    await subscribed(mosquitto)

    await publish(numbered(20))

    await first.has(numbered(20))
    assert second.payloads == []


async def test_a_small_window_does_not_wait_for_the_batch(mosquitto: Mosquitto, take: Take, publish: Publisher) -> None:
    """With Mosquitto's 20 messages on their way, a batch that would stay open for a minute is closed at once."""
    intake = await take(entry(mosquitto, version="3.1.1"), close_after_s=60)
    await subscribed(mosquitto)

    await publish(numbered(400))

    await intake.has(numbered(390))


async def test_a_receive_maximum_is_asked_for_and_does_not_starve(
    mosquitto: Mosquitto, take: Take, publish: Publisher
) -> None:
    intake = await take(entry(mosquitto, receive_maximum=8), close_after_s=60)
    await subscribed(mosquitto)

    intake.log.is_stalled = True
    await publish(numbered(100))
    await until(lambda: count_of(metrics.broker_messages, mosquitto) == 8)
    intake.log.is_stalled = False
    intake.log.let_go()

    await intake.has(numbered(96))
