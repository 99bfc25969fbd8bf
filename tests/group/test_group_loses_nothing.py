"""With Kafka as the log: what a sender saw acknowledged is stored once, whatever of the group is killed."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.fault_kit import Sender, assert_nothing_lost, config, die_at, hasty
from tests.support.group_kit import PARTITIONS, shared_out
from tests.support.group_product import GroupProduct
from tests.support.kafka_broker import Broker
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(1200)]


def test_nothing_is_lost_while_gateways_workers_and_kafka_are_killed(
    start: Any, kafka: Broker, request: pytest.FixtureRequest
) -> None:
    """Two gateways, two workers; 5 % late, 1 % sent again; each is killed in turn, Kafka once in the middle."""
    kills, rate = request.config.getoption("--fault-kills"), request.config.getoption("--fault-rate")
    product: GroupProduct = start()
    wait_for(lambda: shared_out(product), "each worker has partitions", timeout_s=60)
    rng = random.Random(kills)
    victims = [*product.parts, *rng.choices(product.parts, k=max(0, kills - 3))]
    rng.shuffle(victims)
    seconds = 6.0 * (len(victims) + 1)
    with Sender(product, seconds=seconds, rate=rate, late=0.05, resend=0.01, drain_s=120) as sender:
        for number, victim in enumerate(victims):
            time.sleep(rng.uniform(1, 4))  # the randomness under test, not a wait for something
            product.restart(victim)
            if number == len(victims) // 2:
                kafka.kill()
                kafka.start()
        sender.result()
        assert_nothing_lost(product, sender, timeout_s=120)


def test_many_tables_rows_that_were_saved_together_are_there_after_kills_around_the_checkpoint(
    start: Any, tmp_path: Path
) -> None:
    """Eight tables in two partitions of each worker are many here: sixteen, where ten may be committed alone."""
    sections = {"tables": json.loads(config(8))["tables"]}
    with hasty(tmp_path, FAULT_FLUSH_AFTER_S="2", FAULT_MOST_FLUSHED_ALONE="10"):
        product: GroupProduct = start(sections=sections)
        wait_for(lambda: shared_out(product), "each worker has partitions", timeout_s=60)
        with Sender(product, seconds=3600, rate=300, tables=8, sensors=2_400, late=0.05, drain_s=120) as sender:
            for moment in ("checkpoint to be saved", "checkpoint saved", "positions saved"):
                die_at(product, moment, timeout_s=120)
            sender.stop()
            sender.result()
            assert_nothing_lost(product, sender, tables=8, timeout_s=300)

    state = tmp_path / "magnetic" / "_streamgauge" / "state"
    wait_for(lambda: len({path.parent for path in state.rglob("checkpoint/*")}) == PARTITIONS, "one of each partition")


def test_workers_that_come_and_go_lose_and_double_nothing(start: Any) -> None:
    """A third worker joins in mid-load, then the first leaves gracefully: partitions move twice."""
    product: GroupProduct = start()
    wait_for(lambda: shared_out(product), "each worker has partitions", timeout_s=60)
    with Sender(product, seconds=3600, rate=2_000, drain_s=120) as sender:
        product.add_worker()
        wait_for(lambda: shared_out(product), "three workers have partitions", timeout_s=60)
        leaving = product.workers.pop(0)
        code = leaving.end()
        wait_for(lambda: shared_out(product), "two have them all", timeout_s=60)
        sender.stop()
        sender.result()
        assert_nothing_lost(product, sender, timeout_s=120)

    assert code == 0
