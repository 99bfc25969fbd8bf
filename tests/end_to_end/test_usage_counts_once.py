"""A killed worker counts nothing twice and forgets nothing that devices wrote; the bill adds up."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.errors import ServerRefused, ServerUnreachable
from tests.end_to_end.running_product import Device, ask, config, count, now_ms
from tests.support.product import Product
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

EACH = 300
PRICES = {"currency": "EUR", "written_gib": 1000, "metered_gib": 1}


def usage(product: Product, *words: str) -> Any:
    """The document of the command; None while the server does not answer, or replays its log."""
    ran = ask(product, "usage", *words, "--format", "json")
    return json.loads(ran.out) if ran.code == 0 else None


def is_stored(product: Product, number: int) -> bool:
    try:
        return count(product) == number
    except (ServerUnreachable, ServerRefused):
        return False


def test_records_and_queries_count_once_whatever_is_killed(tmp_path: Path) -> None:
    with Product(tmp_path, config(tmp_path, prices=PRICES)) as product:
        for kills in range(3):
            start_ms = now_ms()
            with Device(product) as device:
                device.publish(
                    "farm/gh-1/north/s1", *({"ts": start_ms + n, "temperature": n % 30} for n in range(EACH))
                )
            wait_for(lambda kills=kills: is_stored(product, EACH * (kills + 1)), "all are stored", timeout_s=60)  # type: ignore[misc]
            product.kill("worker")

        found = wait_for(lambda: usage(product, "--all"), "the usage is complete", timeout_s=60)
        product.stop()
        product.start()
        again = wait_for(lambda: usage(product, "--all"), "the usage is complete", timeout_s=60)

    (line,) = [line for line in found["usage"] if line["table"] == "climate"]
    (later,) = [line for line in again["usage"] if line["table"] == "climate"]
    # its time, the dimensions with their names, the measure name, the measure
    in_bytes = 8 + len("greenhousegh-1zonenorthsensors1readings") + len("temperature") + 8
    assert (line["records"], line["written_bytes"]) == (3 * EACH, 3 * EACH * in_bytes)
    assert (later["records"], later["written_bytes"]) == (line["records"], line["written_bytes"])
    assert later["queries"] >= line["queries"]
    assert Decimal(found["total"]["cost"]) == sum(Decimal(of["cost"]) for of in found["usage"]) > 0
