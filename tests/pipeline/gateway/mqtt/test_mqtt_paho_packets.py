"""Packets that paho writes are read as what paho was asked for."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import paho.mqtt.client as paho
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from pipeline.gateway.mqtt import encode
from pipeline.gateway.mqtt.codes import ReasonCode, Version
from pipeline.gateway.mqtt.decode import decode, header
from pipeline.gateway.mqtt.packets import Connect, Disconnect, Packet, Publish, Subscribe, Unsubscribe, Will
from pipeline.gateway.mqtt.topics import TopicNames

V3, V5 = Version.V3_1_1, Version.V5


class Tap:
    """A paho client, and the packets it writes."""

    def __init__(self, client: paho.Client, version: Version) -> None:
        self.client = client
        self._version = version
        with socket.create_server(("127.0.0.1", 0)) as server:
            arguments = {"clean_start": False, "properties": self._properties()} if version is V5 else {}
            client.connect("127.0.0.1", server.getsockname()[1], keepalive=77, **arguments)
            self.socket, _ = server.accept()
        self.socket.settimeout(5)

    def packet(self) -> Packet:
        """The next packet."""
        data = b""
        found = None
        while found is None or len(data) < found.stop:
            data += self.socket.recv(1 if found is None else found.stop - len(data))
            found = header(data, 0, 1 << 20)
        return decode(data, found, self._version, TopicNames())

    def accept(self) -> None:
        """Answer its CONNECT."""
        self.socket.sendall(encode.connack(self._version, ReasonCode.SUCCESS))
        self.client.loop_read()

    @staticmethod
    def _properties() -> Properties:
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 99
        properties.ReceiveMaximum = 17
        properties.MaximumPacketSize = 5_000
        properties.UserProperty = ("a", "b")
        return properties


@pytest.fixture(params=Version)
def tap(request: pytest.FixtureRequest) -> Iterator[Tap]:
    version: Version = request.param
    more = {"clean_session": False} if version is V3 else {}
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, "grün", protocol=paho.MQTTProtocolVersion(version), **more)
    client.username_pw_set("user", "pässword")
    client.will_set("a/will", b"\0\xff", qos=1, retain=True)
    tap = Tap(client, version)
    yield tap
    client.disconnect()
    tap.socket.close()
    sock = client.socket()
    if sock is not None:
        sock.close()


def test_connect(tap: Tap) -> None:
    version = tap._version
    session_expiry_s, max_packet_bytes = (99, 5_000) if version is V5 else (0, 268_435_460)
    will = Will("a/will", b"\0\xff", 1, True)
    expected = Connect(
        version, "grün", False, 77, "user", "pässword".encode(), will, session_expiry_s, max_packet_bytes
    )

    assert tap.packet() == expected


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_publish(tap: Tap, qos: int) -> None:
    tap.packet()
    tap.accept()
    mid = tap.client.publish("topic/°", b"payload", qos=qos, retain=True).mid

    assert tap.packet() == Publish("topic/°", b"payload", qos, mid if qos else 0, None, True)


def test_publish_with_properties() -> None:
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, "d", protocol=paho.MQTTv5)
    tap = Tap(client, V5)
    tap.packet()
    tap.accept()
    properties = Properties(PacketTypes.PUBLISH)
    properties.TopicAlias = 9
    properties.PayloadFormatIndicator = 1
    properties.ResponseTopic = "answers"
    properties.CorrelationData = b"\1\2"
    properties.UserProperty = [("a", "1"), ("a", "2")]
    mid = client.publish("t", b"{}", qos=1, properties=properties).mid

    assert tap.packet() == Publish("t", b"{}", 1, mid, 9)
    client.disconnect()
    tap.socket.close()


def test_subscribe_unsubscribe_and_disconnect(tap: Tap) -> None:
    tap.packet()
    tap.accept()
    _, first = tap.client.subscribe([("a/#", 1), ("b", 0)] if tap._version is V3 else "a/#")
    _, second = tap.client.unsubscribe(["a/#", "c"])
    tap.client.disconnect()

    assert tap.packet() == Subscribe(first or 0, ("a/#", "b") if tap._version is V3 else ("a/#",))
    assert tap.packet() == Unsubscribe(second or 0, ("a/#", "c"))
    assert tap.packet() == Disconnect(0)
