"""Mosquitto restarted, paused and cut off while messages come: all that it took arrives, and PUBACKs tell the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.support.broker_intake import Intake, Publisher, Take, until
from tests.support.mosquitto import Mosquitto, Relay

Fault = Callable[[Mosquitto, Relay], Awaitable[None]]


async def cut(_mosquitto: Mosquitto, relay: Relay) -> None:
    relay.cut()


async def restart(mosquitto: Mosquitto, _relay: Relay) -> None:
    await asyncio.to_thread(mosquitto.restart)


async def pause(mosquitto: Mosquitto, relay: Relay) -> None:
    mosquitto.pause()
    relay.cut()  # a broker that hangs, and a network that gives up on it
    mosquitto.go_on()


@pytest.mark.parametrize("version", ["5", "3.1.1"])
@pytest.mark.parametrize("fault", [cut, restart, pause], ids=lambda fault: fault.__name__)
async def test_what_the_broker_took_arrives_and_what_we_acknowledged_is_in_the_log(
    fault: Fault, version: str, mosquitto: Mosquitto, take: Take
) -> None:
    with Relay(mosquitto.address) as relay:
        intake = await take({"url": f"mqtt://{relay.address}", "topics": ["a/#"], "version": version})
        await until(lambda: "Sending SUBACK" in mosquitto.log)
        publisher = Publisher(mosquitto.port)
        payloads = [f"{number}".encode() for number in range(900)]

        for round_ in range(3):
            for payload in payloads[round_ * 300 : (round_ + 1) * 300]:
                publisher.send(payload)
            await until(lambda: len(set(intake.payloads)) >= round_ * 300 + 50)  # noqa: B023  it is over by then
            intake.log.is_stalled = True
            publisher.send(b"one more")
            await until(lambda: intake.log.waiting_bytes)
            await fault(mosquitto, relay)
            check(relay, intake, version)
            intake.log.is_stalled = False
            intake.log.let_go()
        await publisher.all_acknowledged()
        await intake.has(payloads)
        publisher.close()
        await intake.stop()
        check(relay, intake, version)
        assert relay.acknowledged(version)
        assert len(relay.connections) >= 3


def check(relay: Relay, intake: Intake, version: str) -> None:
    acknowledged = relay.acknowledged(version)  # before what is in the log is looked at

    assert set(acknowledged) <= set(intake.payloads)
