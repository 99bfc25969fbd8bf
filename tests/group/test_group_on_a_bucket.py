"""A group whose magnetic tier is in a bucket: nothing is shared but Kafka and an S3 server."""

from __future__ import annotations

from typing import Any

import pytest
from deltalake import DeltaTable

from tests.support.group_kit import ZONES, count, device, publish, shared_out
from tests.support.s3_server import S3Server
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


def test_workers_share_tables_in_a_bucket_and_take_over_from_it(
    start: Any, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one worker saved there the other goes on from; others read the table with no help from us."""
    s3.make_bucket("farm")
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    product = start(sections={"magnetic": {"url": "s3://farm/history"}})
    wait_for(lambda: shared_out(product), "each worker has partitions", timeout_s=60)
    first, second = product.workers
    with device(product) as sensor:
        publish(sensor, temperature=20.0)
        for worker in product.workers:
            wait_for(lambda worker=worker: count(worker) == len(ZONES), "both have all", timeout_s=60)  # type: ignore[misc]
        code = first.end()
        wait_for(lambda: count(second) == len(ZONES), "the second has taken over", timeout_s=60)
        publish(sensor, temperature=21.0)
        wait_for(lambda: count(second) == 2 * len(ZONES), "and reads on", timeout_s=60)
    second.end()
    options = {**s3.environment, "AWS_ALLOW_HTTP": "true"}
    table = DeltaTable("s3://farm/history/default/faults/table_00", storage_options=options)

    assert code == 0
    assert table.to_pyarrow_table().num_rows == 2 * len(ZONES)
