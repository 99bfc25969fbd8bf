"""The host's clock is set while the product runs: 1970 at its start, then the time, then back by 20 minutes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.errors import ServerRefused
from tests.end_to_end.running_product import Device, rows
from tests.support.product import FREE_PORTS, Product
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

TABLES = [
    {"name": "farm.stamped", "topics": "stamped/{sensor}", "retention": {"memory": "1h", "magnetic": "30d"}},
    {"name": "farm.timed", "topics": "timed/{sensor}", "time": {"field": "ts", "unit": "ms"}},
]


class HostClock:
    """What `libfaketime` makes the product take for its host's clock; the monotonic one stays."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, ahead_s: int) -> None:
        aside = self._file.with_suffix(".new")
        aside.write_text(f"{ahead_s:+d}\n")
        aside.replace(self._file)


@pytest.fixture
def host(tmp_path: Path) -> HostClock:
    return HostClock(tmp_path)


@pytest.fixture
def product(tmp_path: Path, host: HostClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Product]:
    for name, value in host.environment.items():
        monkeypatch.setenv(name, value)
    host.set(-int(time.time()) + 3_600)
    with Product(tmp_path, FREE_PORTS + f"tables: {json.dumps(TABLES)}\n") as running:
        monkeypatch.undo()
        yield running


def publish(product: Product, number: int) -> None:
    """A message without a time of its own, and one with the true time."""
    with Device(product) as device:
        device.publish("stamped/a", {"n": number})
        device.publish("timed/a", {"n": number, "ts": time.time_ns() // 1_000_000})


def ages(product: Product, table: str) -> dict[int, float]:
    """How many seconds ago each message was, by its row."""
    with product.client() as client:
        found = rows(client, f'SELECT n, time FROM "farm"."{table}"')
    now_s = time.time()
    return {int(number): now_s - datetime.fromisoformat(moment).timestamp() for number, moment in found}


def clock(product: Product) -> dict[str, Any]:
    with product.client() as client:
        told: dict[str, Any] = client.get("readyz")["clock"]
        return told


def steps_told(product: Product) -> int | None:
    """None: for a moment it is not ready to answer."""
    try:
        return int(clock(product)["steps"])
    except ServerRefused:
        return None


def test_what_arrives_is_stored_with_the_hosts_time_of_the_moment_and_nothing_is_lost(
    product: Product, host: HostClock
) -> None:
    assert clock(product)["is_set"] is False
    publish(product, 1)
    for ahead_s, number in ((1_200, 2), (0, 3)):
        host.set(ahead_s)
        wait_for(lambda steps=number - 1: steps_told(product) == steps, "the step is told")
        publish(product, number)

    wait_for(lambda: len(ages(product, "stamped")) == len(ages(product, "timed")) == 3, "all are stored")
    found = ages(product, "stamped")
    assert found[1] > 50 * 365 * 86_400
    assert -1_201 < found[2] < -1_000
    assert -1 < found[3] < 100
    assert all(-1 < age < 200 for age in ages(product, "timed").values())
    assert clock(product)["last_step"]["by_seconds"] == pytest.approx(-1_200, abs=1)
    product.stop()
    product.start()
    assert len(ages(product, "stamped")) == len(ages(product, "timed")) == 3
