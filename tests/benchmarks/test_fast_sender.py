"""The fast sender sends what it says, and what it calls acknowledged was acknowledged."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulators import packets
from tests.support.mqtt_server import TinyServer

pytestmark = pytest.mark.processes

SENDER = Path(__file__).parents[2] / "benchmarks" / "fast_sender.py"


async def start(server: TinyServer, *options: str) -> asyncio.subprocess.Process:
    command = (sys.executable, str(SENDER), "--mqtt", f"127.0.0.1:{server.port}", *options)
    return await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


async def send(server: TinyServer, *options: str, code: int = 0) -> dict[str, Any]:
    process = await start(server, *options)
    return await result_of(process, code)


async def result_of(process: asyncio.subprocess.Process, code: int = 0) -> dict[str, Any]:
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == code, err.decode()
    return dict(json.loads(out)) if out else {"error": err.decode()}


async def until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_true():  # noqa: ASYNC110  # what is awaited happens in another process
            await asyncio.sleep(0.01)


def received(server: TinyServer) -> list[dict[str, Any]]:
    return [{"mqtt_topic": m.mqtt_topic, **json.loads(m.payload)} for m in server.published]


def going_on(server: TinyServer, since: int) -> int:
    """How many connections have sent something new since then; what they had to send again came before it."""
    return len({m.client_id for m in server.published[since:] if not m.is_duplicate})


@pytest.mark.parametrize("options", [("--connections", "4"), ("--connections", "200", "--rate", "4000")])
async def test_every_message_is_one_json_object_with_its_own_id_and_key(
    server: TinyServer, options: tuple[str, ...]
) -> None:
    result = await send(server, "--messages", "5000", "--sensors", "1000", "--ids", "--late", "0.1", *options)
    messages = received(server)

    assert result["messages"] == result["acknowledged"] == len(messages) == 5000
    assert result["unknown"] == 0
    assert {message["id"] for message in messages} == set(range(1_000_000_000, 1_000_005_000))
    assert len({(message["mqtt_topic"], message["ts"]) for message in messages}) == 5000
    assert len({message["mqtt_topic"] for message in messages}) == 1000
    assert set(messages[0]) == {"mqtt_topic", "ts", "temperature", "humidity", "co2", "soil_moisture", "id"}


async def test_values_are_the_function_of_number_and_sensor_that_is_documented(server: TinyServer) -> None:
    await send(server, "--messages", "500", "--sensors", "500", "--ids")

    for message in received(server):
        sensor, h = int(message["mqtt_topic"][-6:]), (message["id"] - 1_000_000_000) * 2_654_435_761 % 2**32
        assert message["temperature"] == (1800 + sensor % 400 + h % 100) / 100
        assert message["humidity"] == (5500 + sensor % 700 + (h >> 8) % 300) / 100
        assert message["co2"] == 450 + sensor % 200 + (h >> 16) % 50
        assert message["soil_moisture"] == (300 + sensor % 60 + (h >> 20) % 20) / 10


async def test_late_and_repeated_messages_come_at_their_ratio(server: TinyServer) -> None:
    options = ("--late", "0.05", "--late-by", "300", "--resend", "0.02", "--connections", "20")
    result = await send(server, "--messages", "10000", "--sensors", "2000", "--ids", *options)
    messages = received(server)
    newest = max(message["ts"] for message in messages)
    distinct = {message["id"]: message for message in messages}
    late = [message for message in distinct.values() if message["ts"] < newest - 200_000]

    assert len(distinct) == result["messages"] == result["acknowledged"] == 10_000
    assert len(messages) - len(distinct) == result["resent"]
    assert 120 < result["resent"] < 300
    assert len(late) == result["late"]
    assert 400 < result["late"] < 600
    # A repetition has the same key and values.
    assert all(message == distinct[message["id"]] for message in messages)


async def test_messages_spread_over_tables_regions_and_accounts(server: TinyServer) -> None:
    options = ("--tables", "10", "--accounts", "10", "--connections", "20", "--password", "p{n}")
    result = await send(server, "--messages", "6000", "--sensors", "6000", *options)
    tables = Counter(m.mqtt_topic.split("/")[0] for m in server.published)
    regions: dict[str, set[str]] = {}
    for message in server.published:
        account = int(message.client_id.rsplit("-", 1)[1]) % 10
        regions.setdefault(message.mqtt_topic.split("/")[1], set()).add(str(account))

    assert tables == {template.split("/")[0]: 600 for template in result["topic_templates"]}
    assert len(tables) == 10
    assert len(regions) == 30
    assert all(len(accounts) == 1 for accounts in regions.values())
    credentials = {packets.string(f"farm-{n}") + packets.string(f"p{n}") for n in range(10)}
    assert {connect[-12:] for connect in server.connects} == credentials


async def test_equal_seeds_send_equal_messages_but_for_their_times(server: TinyServer) -> None:
    told = []
    for seed in ("3", "3", "4"):
        server.published.clear()
        await send(server, "--messages", "2000", "--sensors", "200", "--ids", "--connections", "1", "--seed", seed)
        told.append([{**message, "ts": 0} for message in received(server)])

    assert told[0] == told[1]
    assert told[0] != told[2]


async def test_hot_messages_come_at_their_ratio(server: TinyServer) -> None:
    await send(server, "--messages", "20000", "--sensors", "2000", "--hot", "0.01")

    assert 150 < sum(message["temperature"] == 45 for message in received(server)) < 250


async def test_the_window_bounds_what_is_in_flight(server: TinyServer, tmp_path: Path) -> None:
    server.behaviour.acknowledges = False
    files = ("--acked-ids", str(tmp_path / "a.npy"), "--unknown-ids", str(tmp_path / "u.npy"))
    options = (
        "--seconds",
        "0.3",
        "--drain",
        "0.1",
        "--ids",
        "--window",
        "7",
        "--connections",
        "10",
        "--sensors",
        "100",
    )
    result = await send(server, *options, *files, code=1)

    assert result["messages"] == result["unknown"] == 70
    assert server.most_unacknowledged == 7
    assert len(np.load(tmp_path / "a.npy")) == 0
    assert set(np.load(tmp_path / "u.npy")) == {message["id"] for message in received(server)}


@pytest.mark.parametrize("connections", ["2", "100"])
async def test_through_kills_of_the_server_every_acknowledged_id_was_received(
    server: TinyServer, tmp_path: Path, connections: str
) -> None:
    files = ("--acked-ids", str(tmp_path / "a.txt"), "--unknown-ids", str(tmp_path / "u.txt"))
    options = ("--rate", "4000", "--messages", "12000", "--sensors", "1000", "--ids", "--resend", "0.01")
    process = await start(server, "--connections", connections, *options, *files)
    since = 0
    for kill in range(1, 4):
        await until(lambda kill=kill: len(server.published) > kill * 1000)
        await until(lambda since=since: going_on(server, since) == int(connections))  # or it is not lost once more
        server.behaviour.acknowledges = False  # some are taken in, and their PUBACK is lost
        before = len(server.published)
        await until(lambda before=before: len(server.published) > before + 50)
        server.stop()
        await until(lambda: not server.sessions)
        since = len(server.published)
        server.behaviour.acknowledges = True
        await server.listen()
    result = await result_of(process)
    acknowledged = {int(line) for line in (tmp_path / "a.txt").read_text().split()}
    messages = received(server)

    assert len(acknowledged) == result["acknowledged"] == 12_000
    assert result["connections_lost"] == 3 * int(connections)
    assert result["retransmitted"] >= 150
    assert acknowledged == {message["id"] for message in messages}
    # Sent again, a message is the same.
    distinct = {message["id"]: message for message in messages}
    assert all(message == distinct[message["id"]] for message in messages)
    assert sum(m.is_duplicate for m in server.published) == result["retransmitted"]


async def test_a_server_that_acknowledges_out_of_order_is_found_out(server: TinyServer) -> None:
    server.behaviour.puback_reversed = True
    result = await send(server, "--messages", "100", "--sensors", "20", "--connections", "1", code=3)

    assert "is the oldest in flight" in result["error"]


async def test_refusal_absence_and_wrong_usage_are_told(server: TinyServer) -> None:
    server.behaviour.connack = b"\x00\x05"
    assert "not authorised" in (await send(server, code=3))["error"]
    assert "not a multiple" in (await send(server, "--connections", "7", code=2))["error"]
    server.stop()
    absent = await send(server, "--connect-timeout", "0.3", code=3)
    assert f"127.0.0.1:{server.port}: 0 of 20 connections open" in absent["error"]


def test_packets_are_what_an_encoder_one_by_one_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SENDER.parent))
    from sending.messages import Messages, Shape

    shape = Shape(sensors=50, tables=3, has_ids=True)
    rows = Messages(shape).packets(
        *(np.array(x) for x in ([0, 9_999_999], [7, 49], [1_780_000_000_001] * 2, [1, 65_535]))
    )
    for row, sensor, packet_id in zip(rows, (7, 49), (1, 65_535), strict=True):
        packet = row.tobytes()
        body = packet[packet.index(b"{") :]
        topic = packets.string(shape.topic(sensor))
        assert packet == packets.publish(topic, packet_id.to_bytes(2, "big"), body, qos=1, properties=b"")
        assert json.loads(body)["ts"] == 1_780_000_000_001
