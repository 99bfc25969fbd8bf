"""A Kafka of three brokers, with three copies: each of them is killed once, and whatever it led moves to another."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.fault_kit import Sender, assert_nothing_lost, publish_for
from tests.support.group_kit import group_config, shared_out
from tests.support.group_product import GroupProduct
from tests.support.kafka_cluster import running_cluster
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.soak, pytest.mark.timeout(600)]


def test_nothing_is_lost_while_each_broker_dies_and_comes_back(tmp_path: Path) -> None:
    with running_cluster() as cluster:
        config = group_config(cluster, tmp_path)
        config["log"]["replication"] = 3
        with GroupProduct(tmp_path, config) as product:
            wait_for(lambda: shared_out(product), "each worker has partitions", timeout_s=60)
            with Sender(product, seconds=3600, rate=1_000, drain_s=120) as sender:
                for node in cluster.nodes:
                    publish_for(3)
                    node.kill()
                    publish_for(3)
                    node.start()
                    cluster.wait_until_up()
                sender.stop()
                sender.result()
            assert_nothing_lost(product, sender, timeout_s=120)
