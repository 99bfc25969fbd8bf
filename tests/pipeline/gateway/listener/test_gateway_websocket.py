"""MQTT over WebSocket on the listener's port, and what else speaks HTTP there."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import paho.mqtt.client as paho
import pytest
from byte_devices import WITHIN_S, Device, Listen, Listener, until
from prometheus_client import REGISTRY
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, Pong, Request, TextMessage

from pipeline.gateway.listener.settings import User
from pipeline.gateway.mqtt.encode import pubacks
from pipeline.gateway.mqtt.fields import encode_binary, encode_text
from tests.support.mqtt_packets import connect, publish
from tests.support.paho_clients import disconnect

CONNACK = b"\x20\2\0\0"


def counted(name: str, reason: str) -> float:
    return REGISTRY.get_sample_value(f"streamgauge_gateway_{name}_total", {"reason": reason}) or 0.0


class Browser:
    """A WebSocket of bytes, by wsproto's client."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.frames = WSConnection(ConnectionType.CLIENT)
        self.received = b""
        self.events: list[Any] = []

    async def open(self, *subprotocols: str, **headers: str) -> None:
        extra = [(name.encode(), value.encode()) for name, value in headers.items()]
        request = Request(host="127.0.0.1", target="/mqtt", subprotocols=list(subprotocols), extra_headers=extra)
        self.device.send(self.frames.send(request))
        await self.until(lambda: bool(self.events))

    async def until(self, is_so: Any) -> None:
        """Read until it is so, or the listener closes."""
        async with asyncio.timeout(WITHIN_S):
            while not is_so():
                data = await self.device.reader.read(65_536)
                if not data:
                    return
                self.frames.receive_data(data)
                for event in self.frames.events():
                    if isinstance(event, BytesMessage):
                        self.received += event.data
                    else:
                        self.events.append(event)

    async def receive(self, expected: bytes) -> None:
        await self.until(lambda: len(self.received) >= len(expected))
        assert self.received == expected
        self.received = b""

    def send(self, data: bytes, *, is_last: bool = True) -> None:
        self.device.send(self.frames.send(BytesMessage(data, message_finished=is_last)))


async def opened(listener: Listener, *subprotocols: str, **headers: str) -> Browser:
    browser = Browser(await listener.dial())
    await browser.open(*(subprotocols or ("mqtt",)), **headers)
    return browser


async def connected(listener: Listener, **more: Any) -> Browser:
    browser = await opened(listener)
    browser.send(connect("d", **more))
    await browser.receive(CONNACK)
    return browser


@pytest.mark.parametrize(
    ("offered", "chosen"), [(["mqtt"], "mqtt"), (["x", "mqttv3.1", "mqtt"], "mqtt"), (["mqttv3.1"], "mqttv3.1")]
)
async def test_a_websocket_is_accepted_with_the_subprotocol_of_mqtt(
    listener: Listener, offered: list[str], chosen: str
) -> None:
    browser = await opened(listener, *offered)

    (accepted,) = browser.events
    assert isinstance(accepted, AcceptConnection)
    assert (accepted.subprotocol, accepted.extensions) == (chosen, [])


@pytest.mark.parametrize("size", [1, 3, 50, 10_000])
async def test_packets_and_frames_may_be_cut_in_any_way(listener: Listener, size: int) -> None:
    browser = await opened(listener)
    data = connect("d") + b"".join(publish("t", b"%d" % number, packet_id=number) for number in range(1, 40))
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    for number, piece in enumerate(pieces):
        browser.send(piece, is_last=number % 3 == 0 or number == len(pieces) - 1)  # fragmented messages too

    await browser.receive(CONNACK + pubacks([number.to_bytes(2, "big") for number in range(1, 40)]))
    assert listener.payloads == [b"%d" % number for number in range(1, 40)]


async def test_what_is_too_large_goes_by_in_a_single_frame_and_the_connection_stays(listener: Listener) -> None:
    browser = await connected(listener)
    browser.send(publish("t", bytes(3_000_000), packet_id=1))
    browser.send(publish("t", b"2", packet_id=2))

    await browser.receive(pubacks([b"\0\1", b"\0\2"]))
    assert (listener.payloads, len(listener.rejected)) == ([b"2"], 1)


async def test_pings_are_answered_and_are_no_sign_of_life_of_mqtt(listener: Listener) -> None:
    browser = await connected(listener, keep_alive_s=10)
    (session,) = listener.gateway._sessions
    for _ in range(3):
        listener.turn(10)
        browser.device.send(browser.frames.send(Ping(b"?")))
        await browser.until(lambda: any(isinstance(event, Pong) for event in browser.events))
        assert browser.events.pop() == Pong(b"?")
    listener.turn(1)

    assert not session.is_connected


async def test_a_close_without_disconnect_is_answered_and_leaves_the_will(listener: Listener) -> None:
    will = encode_text("wills/d") + encode_binary(b"gone")
    browser = await connected(listener, flags=0x0E, payload=will)
    browser.device.send(browser.frames.send(CloseConnection(1000)))
    await browser.until(lambda: any(isinstance(event, CloseConnection) for event in browser.events))

    await until(lambda: listener.payloads == [b"gone"])
    assert not listener.gateway._sessions


async def test_after_a_disconnect_the_listener_closes_and_there_is_no_will(listener: Listener) -> None:
    will = encode_text("wills/d") + encode_binary(b"gone")
    browser = await connected(listener, flags=0x0E, payload=will)
    browser.send(b"\xe0\0")
    await browser.until(lambda: any(isinstance(event, CloseConnection) for event in browser.events))
    await browser.device.close()

    await until(lambda: not listener.gateway._sessions)
    assert listener.payloads == []


async def test_a_text_frame_ends_the_connection(listener: Listener) -> None:
    before = counted("malformed", "bad_websocket")
    browser = await connected(listener)
    browser.device.send(browser.frames.send(TextMessage("hello")))
    await browser.until(lambda: any(isinstance(event, CloseConnection) for event in browser.events))

    assert counted("malformed", "bad_websocket") == before + 1


@pytest.mark.parametrize(
    "frame", [b"\x82\x01x", b"\xff\x80\0\0\0\0", b"\x83\x80\0\0\0\0"], ids=["unmasked", "reserved bits", "opcode 3"]
)
async def test_what_is_no_frame_ends_the_connection(listener: Listener, frame: bytes) -> None:
    browser = await connected(listener)
    browser.device.send(frame)
    await browser.until(lambda: any(isinstance(event, CloseConnection) for event in browser.events))

    await browser.device.close()
    await until(lambda: not listener.gateway._sessions)


GET = b"GET /mqtt HTTP/1.1\r\nHost: h\r\n"
UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


@pytest.mark.parametrize(
    ("request_", "status", "told"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", b"426 Upgrade Required", b"This port speaks MQTT"),
        (b"POST /v1/query HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}", b"426 Upgrade Required", b"port 8080"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400 Bad Request", b"This port speaks MQTT"),
        (b"GET / HTTP/1.0\r\n\r\n", b"400 Bad Request", b"This port speaks MQTT"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400 Bad Request", b"This port speaks MQTT"),
        (GET + UPGRADE + b"\r\n", b"400 Bad Request", b"offer the subprotocol mqtt"),
        (GET + UPGRADE + b"Sec-WebSocket-Protocol: chat\r\n\r\n", b"400 Bad Request", b"offer the subprotocol mqtt"),
        (GET + b"X: " + b"x" * 100_000, b"400 Bad Request", b"This port speaks MQTT"),
    ],
    ids=["GET", "POST", "no host", "1.0", "HTTP/2", "no subprotocol", "another subprotocol", "endless"],
)
async def test_other_requests_of_http_get_a_short_answer_and_are_counted(
    listener: Listener, request_: bytes, status: bytes, told: bytes
) -> None:
    before = counted("refused", "http")
    device = await listener.dial()
    device.send(request_)

    answer = await device.closed()

    assert answer.startswith(b"HTTP/1.1 " + status)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert told in body
    assert f"Content-Length: {len(body)}".encode() in head
    assert counted("refused", "http") == before + 1


async def test_head_is_answered_without_a_body(listener: Listener) -> None:
    device = await listener.dial()
    device.send(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")

    assert (await device.closed()).endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("origin", "has_users", "is_let_in"),
    [
        ("https://evil.example", False, False),
        ("null", False, False),
        ("http://localhost:3000", False, True),
        ("https://[::1]:1883", False, True),
        ("https://dashboard.example", True, True),
    ],
)
async def test_pages_of_other_sites_may_not_use_a_listener_without_users(
    listen: Listen, origin: str, has_users: bool, is_let_in: bool
) -> None:
    listener = await listen(users=(User("u", "p", "default"),) if has_users else ())
    browser = await opened(listener, "mqtt", origin=origin)

    assert isinstance(browser.events[0], AcceptConnection) == is_let_in


async def test_a_websocket_that_sends_no_connect_is_ended_in_time(listener: Listener) -> None:
    browser = await opened(listener)
    (session,) = listener.gateway._sessions
    listener.turn(25)
    await browser.until(lambda: any(isinstance(event, CloseConnection) for event in browser.events))

    assert not session.is_connected


async def test_http_within_a_websocket_is_no_connect(listener: Listener) -> None:
    browser = await opened(listener)
    browser.send(b"GET / HTTP/1.1\r\n")
    await browser.until(lambda: any(isinstance(event, CloseConnection) for event in browser.events))

    assert listener.payloads == []


@pytest.mark.parametrize("protocol", [paho.MQTTv311, paho.MQTTv5])
async def test_paho_publishes_over_websockets(listener: Listener, protocol: int) -> None:
    def publish_all() -> None:
        device = paho.Client(
            paho.CallbackAPIVersion.VERSION2, "p", protocol=paho.MQTTProtocolVersion(protocol), transport="websockets"
        )
        device.ws_set_options("/mqtt")
        device.connect("127.0.0.1", listener.port)
        device.loop_start()
        end_s = time.monotonic() + WITHIN_S
        for info in [device.publish("a/b", b"%d" % i, qos=i % 3) for i in range(300)]:
            info.wait_for_publish(end_s - time.monotonic())
        disconnect(device)

    await asyncio.to_thread(publish_all)

    await until(lambda: len(listener.payloads) == 300)
    assert sorted(listener.payloads) == sorted(b"%d" % i for i in range(300))
    await until(lambda: not listener.gateway._sessions)
