"""The command as its users meet it: what it publishes, prints and writes, and how it ends."""

from __future__ import annotations

import asyncio
import csv
import json
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.mqtt_server import TinyServer

pytestmark = pytest.mark.processes

FLEET = """\
sensors: 40
interval: 500ms
faults:
  plan:
    - {kind: step, sensors: [s-00007], measure: temperature, from: 1s, for: 1s, magnitude: 25}
"""


@dataclass
class Ended:
    code: int
    err: str


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    file = tmp_path / "fleet.yaml"
    file.write_text(FLEET)
    return file


async def start(fleet: Path, port: int, *options: str) -> asyncio.subprocess.Process:
    command = (sys.executable, "-m", "simulators", str(fleet), "--mqtt", f"127.0.0.1:{port}", *options)
    return await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)


async def simulate(fleet: Path, port: int, *options: str) -> Ended:
    process = await start(fleet, port, *options)
    async with asyncio.timeout(60):
        _, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, err.decode())


def sequence(server: TinyServer) -> list[tuple[str, bytes]]:
    return sorted((message.mqtt_topic, message.payload) for message in server.published)


async def test_loss_can_be_measured_from_the_summary_and_the_labels_are_written(
    server: TinyServer, fleet: Path, tmp_path: Path
) -> None:
    options = ("--duration", "3s", "--labels", str(tmp_path / "l.csv"), "--summary", str(tmp_path / "s.json"))
    ended = await simulate(fleet, server.port, *options)
    summary: dict[str, Any] = json.loads((tmp_path / "s.json").read_text())
    (label,) = csv.DictReader((tmp_path / "l.csv").read_text().splitlines())

    assert ended.code == 0, ended.err
    assert len(server.published) == 240
    assert [summary[name] for name in ("messages", "sent", "acknowledged", "unacknowledged")] == [240, 240, 240, 0]
    assert (label["sensor"], label["kind"], label["magnitude"]) == ("s-00007", "step", "25.0")
    assert "240 messages sent" in ended.err
    assert "240 acknowledged, 0 not" in ended.err


async def test_equal_seed_and_start_publish_equal_messages_at_any_speed_and_over_any_connections(fleet: Path) -> None:
    told = []
    for options in (
        ("--speed", "max", "--connections", "1"),
        ("--speed", "20", "--connections", "40", "--protocol", "5"),
    ):
        async with TinyServer() as server:
            common = ("--start", "2026-06-21T06:00:00Z", "--seed", "4", "--duration", "20s", "--faults", "spike=0.01")
            ended = await simulate(fleet, server.port, *common, *options)
            assert ended.code == 0, ended.err
            told.append(sequence(server))

    assert len(told[0]) == 1600
    assert told[0] == told[1]


async def test_as_many_connections_as_sensors_have_the_sensors_names(server: TinyServer, fleet: Path) -> None:
    await simulate(fleet, server.port, "--duration", "1s", "--connections", "40", "--qos", "0")

    assert {m.client_id for m in server.published} == {f"s-{number:05}" for number in range(1, 41)}
    assert all(m.mqtt_topic.endswith("/" + m.client_id) for m in server.published)


async def test_rate_changes_the_interval(server: TinyServer, fleet: Path) -> None:
    await simulate(fleet, server.port, "--duration", "10s", "--rate", "20", "--speed", "max")

    assert len(server.published) == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupt_ends_it_with_everything_acknowledged_and_labelled(
    server: TinyServer, fleet: Path, tmp_path: Path, number: signal.Signals
) -> None:
    process = await start(fleet, server.port, "--speed", "20", "--labels", str(tmp_path / "l.jsonl"))
    async with asyncio.timeout(60):
        while len(server.published) < 200:  # noqa: ASYNC110  # what is awaited happens in another process
            await asyncio.sleep(0.01)
        process.send_signal(number)
        _, err = await process.communicate()

    assert process.returncode == 0, err
    assert b", 0 not;" in err
    assert json.loads((tmp_path / "l.jsonl").read_text().splitlines()[0])["sensor"] == "s-00007"


async def test_messages_that_were_not_acknowledged_end_it_with_1(
    server: TinyServer, fleet: Path, tmp_path: Path
) -> None:
    process = await start(fleet, server.port, "--protocol", "5", "--summary", str(tmp_path / "s.json"), "--speed", "20")
    server.behaviour.puback_code = 0x97
    async with asyncio.timeout(60):
        while len(server.published) < 100:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGINT)
        await process.communicate()
    summary = json.loads((tmp_path / "s.json").read_text())

    assert process.returncode == 1
    assert summary["refused"] == summary["sent"]


async def test_no_broker_is_3_and_says_where(fleet: Path) -> None:
    with socket.socket() as nobody:  # has the port, so that nobody else gets it, and does not listen
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        ended = await simulate(fleet, port, "--duration", "1s")

    assert ended.code == 3
    assert f"Error: cannot publish to 127.0.0.1:{port}: " in ended.err
    assert "Traceback" not in ended.err


async def test_wrong_usage_is_2_and_says_what_is_allowed(server: TinyServer, fleet: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("sensors: 5\nintervall: 5s\n")
    cases: list[tuple[Path, tuple[str, ...], str]] = [
        (bad, (), f'{bad}:2: "intervall" is not a key known here; did you mean interval?'),
        (tmp_path / "absent.yaml", (), "cannot be read"),
        (fleet, ("--faults", "spiek=0.1"), "did you mean spike"),
        (fleet, ("--speed", "fast"), "write a number above 0"),
        (fleet, ("--duration", "5"), "is not a duration"),
        (fleet, ("--start", "noon"), "is not a start time"),
        (fleet, ("--rate", "1000000"), "too high or low for 40 sensors"),
        (fleet, ("--mqtt", "nowhere"), "cannot publish to nowhere:1883"),
        (fleet, ("--mqtt", "host:port"), "is not HOST:PORT"),
    ]
    for file, options, message in cases:
        ended = await simulate(file, server.port, *options)
        assert ended.code == (3 if "nowhere" in message else 2), (options, ended.err)
        assert message in " ".join(ended.err.split()), (options, ended.err)
    assert server.connects == []
