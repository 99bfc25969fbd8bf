"""While a bucket is away, records that need it wait in the stage that stores them; nothing is skipped."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.stream.partitions.partition import Partition
from pipeline.stream.progress import Progress
from pipeline.stream.stages.records_to_store import records_to_store
from pipeline.stream.work_batch import WorkBatch
from store.catalog.catalog import TableSettings
from store.record import TableId
from store.testing import Row, batch_of
from tests.support.lone_store import PARTITION, LoneStore, open_store
from tests.support.s3_server import S3Server, s3_server

pytestmark = pytest.mark.processes

TABLE = TableId("farm", "d", "t")
T0 = 1_795_000_000_000_000_000


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with s3_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def store(s3: S3Server, tmp_path: Path) -> Iterator[LoneStore]:
    bucket = f"test-{secrets.token_hex(6)}"
    s3.make_bucket(bucket)
    opened = open_store(
        tmp_path,
        magnetic_url=f"s3://{bucket}",
        templates={("d", "t"): TableSettings(from_config=True)},
        clock_ns=lambda: T0 + 1_000_000_000,
    )
    yield opened
    opened.close()


@pytest.fixture
def partition(store: LoneStore) -> Partition:
    progress = Progress(lambda: 1, lambda _: None, time.time_ns, applied_offset=-1)
    nothing: Any = None  # normalise and rules are not part of the stage
    return Partition(0, PARTITION, store, nothing, nothing, progress, 0)


async def one_frame(partition: Partition) -> AsyncIterator[WorkBatch]:
    """A record of a table that does not exist yet."""
    batch = batch_of(partition.store.registry.of(TABLE), PARTITION, [0], [Row((("s", "1"),), T0, (("v", 1.0),))])
    yield WorkBatch(partition, 0, (batch,), T0)


async def tried_once(store: LoneStore, stage: asyncio.Task[None]) -> None:
    async with asyncio.timeout(60):
        while not store.outage.failures:
            assert not stage.done()
            await asyncio.sleep(0.01)


async def test_a_record_of_a_new_table_is_stored_when_the_bucket_answers_again(
    s3: S3Server, store: LoneStore, partition: Partition
) -> None:
    with s3.away():
        stage = asyncio.create_task(records_to_store(one_frame(partition)))
        await tried_once(store, stage)
        assert store.advanced() == {}
    await asyncio.wait_for(stage, 60)

    assert store.advanced() == {PARTITION: 0}
    with store.snapshot(TABLE.account) as snapshot:
        assert snapshot.execute(f"SELECT v FROM {snapshot.source(TABLE)}").to_pylist() == [{"v": 1.0}]


async def test_records_of_a_partition_that_is_revoked_meanwhile_are_left_to_its_next_owner(
    s3: S3Server, store: LoneStore, partition: Partition
) -> None:
    with s3.away():
        stage = asyncio.create_task(records_to_store(one_frame(partition)))
        await tried_once(store, stage)
        partition.is_open = False
        await asyncio.wait_for(stage, 60)

    assert store.advanced() == {}
