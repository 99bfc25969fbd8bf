"""Unmodified clients, in both protocol versions, over a socket and uvloop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Self

import aiomqtt
import paho.mqtt.client as paho
import pytest
import uvloop
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from pipeline.base.arrival import host_stamps
from pipeline.gateway.listener.settings import ListenerSettings, User
from pipeline.gateway.serve import serve
from pipeline.log.frame import decode_frame
from pipeline.log.testing import FakeAppender
from tests.support.paho_clients import disconnect

PROTOCOLS = [paho.MQTTv311, paho.MQTTv5]
WITHIN_S = 60


class Served:
    """A listener as it runs in a gateway: its own thread, uvloop."""

    def __init__(self, users: tuple[User, ...] = ()) -> None:
        self.log = FakeAppender()
        self.port = 0
        self._settings = ListenerSettings(port=0, users=users)
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: uvloop.run(self._main()))

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()

        def on_listening(port: int) -> None:
            self.port = port
            self._listening.set()

        await serve(self._settings, self.log, stamps=host_stamps(), stop=self._stop, on_listening=on_listening)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(WITHIN_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(WITHIN_S)
        assert not self._thread.is_alive()

    @property
    def messages(self) -> list[tuple[str, str, bytes]]:
        frames = [decode_frame(value) for _, value in self.log.appended]
        return [message for f in frames for message in zip(f.accounts, f.mqtt_topics, f.payloads, strict=True)]

    def wait_for(self, count: int) -> list[tuple[str, str, bytes]]:
        end_s = time.monotonic() + WITHIN_S
        while len(self.messages) < count and time.monotonic() < end_s:
            time.sleep(0.005)
        return self.messages


@pytest.fixture(scope="module")
def shared() -> Iterator[Served]:
    with Served() as served:
        yield served


@pytest.fixture
def served(shared: Served) -> Served:
    shared.log.appended.clear()
    return shared


def client(protocol: int, client_id: str = "") -> paho.Client:
    return paho.Client(paho.CallbackAPIVersion.VERSION2, client_id, protocol=paho.MQTTProtocolVersion(protocol))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_paho_publishes_with_qos_0_and_1_and_each_message_is_stored_once_in_order(
    served: Served, protocol: int
) -> None:
    device = client(protocol)
    device.connect("127.0.0.1", served.port)
    device.loop_start()
    infos = [device.publish(f"a/{i % 5}", b"%d" % i, qos=i % 2) for i in range(500)]
    for info in infos:
        info.wait_for_publish(WITHIN_S)
    disconnect(device)

    stored = served.wait_for(500)
    for qos in (0, 1):  # paho holds back what exceeds 20 unacknowledged messages of QoS 1, and nothing of QoS 0
        mine = [message for message in stored if int(message[2]) % 2 == qos]
        assert mine == [("default", f"a/{i % 5}", b"%d" % i) for i in range(qos, 500, 2)]


def test_paho_publishes_with_properties_and_a_topic_alias(served: Served) -> None:
    device = client(paho.MQTTv5)
    device.connect("127.0.0.1", served.port)
    device.loop_start()
    for topic in ("long/topic/name", ""):
        properties = Properties(PacketTypes.PUBLISH)
        properties.TopicAlias = 3
        properties.UserProperty = ("firmware", "1.2")
        properties.MessageExpiryInterval = 60
        properties.ContentType = "application/json"
        device.publish(topic, b"x", qos=1, properties=properties).wait_for_publish(WITHIN_S)
    disconnect(device)

    assert served.messages == [("default", "long/topic/name", b"x")] * 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_paho_reads_its_refused_subscription_and_goes_on_publishing(served: Served, protocol: int) -> None:
    device = client(protocol)
    refused: list[bool] = []
    subscribed = threading.Event()

    def on_subscribe(*arguments: object) -> None:
        codes = arguments[3]
        assert isinstance(codes, list)
        refused.extend(code.is_failure for code in codes)
        subscribed.set()

    device.on_subscribe = on_subscribe
    device.connect("127.0.0.1", served.port)
    device.loop_start()
    device.subscribe("commands/#", qos=1)
    assert subscribed.wait(WITHIN_S)
    device.publish("t", b"x", qos=1).wait_for_publish(WITHIN_S)
    disconnect(device)

    assert refused == [True]
    assert served.messages == [("default", "t", b"x")]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_will_of_a_paho_client_that_vanishes_is_stored(served: Served, protocol: int) -> None:
    device = client(protocol, "vanishing")
    device.will_set("status/vanishing", b"offline", qos=1, retain=True)
    connected = threading.Event()
    device.on_connect = lambda *_: connected.set()
    device.connect("127.0.0.1", served.port)
    device.loop_start()
    assert connected.wait(WITHIN_S)
    device.loop_stop()
    sock = device.socket()
    assert sock is not None
    sock.close()

    assert served.wait_for(1) == [("default", "status/vanishing", b"offline")]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_aiomqtt_publishes(served: Served, protocol: int) -> None:
    async with aiomqtt.Client("127.0.0.1", served.port, protocol=aiomqtt.ProtocolVersion(protocol)) as device:
        for i in range(50):
            await device.publish("t", b"%d" % i, qos=i % 2)

    assert [payload for *_, payload in served.wait_for(50)] == [b"%d" % i for i in range(50)]


@pytest.mark.processes
@pytest.mark.parametrize("version", ["311", "5"])
@pytest.mark.parametrize("qos", ["0", "1"])
async def test_mosquitto_pub_publishes(served: Served, version: str, qos: str) -> None:
    arguments = ["-p", str(served.port), "-V", version, "-q", qos, "-t", "t", "-m", "hello", "-r", "-i", "m"]
    process = await asyncio.create_subprocess_exec("mosquitto_pub", "-h", "127.0.0.1", *arguments)

    assert await asyncio.wait_for(process.wait(), WITHIN_S) == 0
    assert served.wait_for(1) == [("default", "t", b"hello")]


@pytest.mark.processes
@pytest.mark.parametrize("version", ["311", "5"])
async def test_mosquitto_pub_is_told_why_it_may_not_come_in(version: str) -> None:
    with Served(users=(User("farm", "right", "farm"),)) as served:
        arguments = ["-p", str(served.port), "-V", version, "-u", "farm", "-P", "wrong", "-t", "t", "-m", "x"]
        process = await asyncio.create_subprocess_exec(
            "mosquitto_pub", "-h", "127.0.0.1", *arguments, stderr=asyncio.subprocess.PIPE
        )
        _, said = await asyncio.wait_for(process.communicate(), WITHIN_S)

    assert process.returncode != 0
    assert b"bad user name or password" in said.lower()
    assert not served.messages


async def test_a_thousand_connections_are_ordinary(served: Served) -> None:
    """Each publishes twice, is acknowledged, and leaves."""
    from byte_devices import Device

    from tests.support.mqtt_packets import connect, publish

    async def live(number: int) -> None:
        device = Device(*await asyncio.open_connection("127.0.0.1", served.port))
        device.send(connect(f"device-{number}"))
        await device.receive(b"\x20\2\0\0")
        for packet_id in (1, 2):
            device.send(publish(f"t/{number}", b"x", packet_id=packet_id))
            await device.receive(b"\x40\2\0" + bytes((packet_id,)))
        await device.close()

    await asyncio.gather(*(live(number) for number in range(1_000)))

    assert len(served.messages) == 2_000
