"""UNLOAD in a query process: it needs little memory, writes to a bucket, and leaves no manifest when it is ended."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from store.endpoint.rows import parts, rows_of
from store.engine.interruption import Interruption, StopReason
from store.errors import QueryCancelled
from store.objects.location import S3Location, locate
from store.processes.job import Job
from store.processes.limits import MIB, QueryLimits
from store.processes.pool import QueryProcesses
from store.sql import SqlRequest
from store.unload.writer import FilesWriter
from tests.support.lone_store import LoneStore, open_store
from tests.support.waiting import wait_for

pytestmark = pytest.mark.processes

NOW_NS = 1_790_000_000_000_000_000
LIMITS = QueryLimits(memory_bytes=160 * MIB, result_bytes=MIB)
PAIRS = "UNNEST(sequence(1, 10000)) AS a(n) CROSS JOIN UNNEST(sequence(1, {})) AS b(m)"
PLAIN_PARQUET = "WITH (format = 'PARQUET', compression = 'NONE')"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneStore]:
    made = open_store(tmp_path_factory.mktemp("store"), templates={}, clock_ns=lambda: NOW_NS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def pool(store: LoneStore) -> Iterator[QueryProcesses]:
    made = QueryProcesses(store.whole.readable, LIMITS, ["store.endpoint.rows", "store.unload.writer"])
    yield made
    made.close()


def unload(pool: QueryProcesses, store: LoneStore, place: Path | S3Location, text: str) -> list[str]:
    """The values of the row that the statement returns."""
    request = SqlRequest(text, NOW_NS, 100, is_cut=False, unloading=FilesWriter({"exports": place}, "QUERY"))
    with store.lender("a") as lender, pool.run(lender, Job(request, parts)) as answer:
        found = rows_of(answer.parts, MIB)
    assert found is not None
    ((row),) = msgspec.json.decode(found.page(0, None).rows)
    return [value["ScalarValue"] for value in row["Data"]]


def test_a_result_larger_than_the_memory_of_a_query_is_written(
    pool: QueryProcesses, store: LoneStore, tmp_path: Path
) -> None:
    select = f"SELECT n * m AS product, n, m FROM {PAIRS.format(700)}"

    rows, _, manifest = unload(pool, store, tmp_path, f"UNLOAD ({select}) TO 's3://exports/x' {PLAIN_PARQUET}")

    assert int(rows) * 3 * 8 > LIMITS.memory_bytes
    described = json.loads((tmp_path / manifest.removeprefix("s3://exports/")).read_bytes())
    files = [tmp_path / file["url"].removeprefix("s3://exports/") for file in described["result_files"]]
    assert sum(pq.read_metadata(file).num_rows for file in files) == int(rows) == 7_000_000


def test_a_cancelled_unload_leaves_no_file_that_is_whole(
    pool: QueryProcesses, store: LoneStore, tmp_path: Path
) -> None:
    with Interruption() as may_end:
        watching = threading.Thread(target=_cancel_once_written, args=(may_end, tmp_path))
        watching.start()
        with pytest.raises(QueryCancelled):
            unload(pool, store, tmp_path, f"UNLOAD (SELECT n, m FROM {PAIRS.format(10_000)}) TO 's3://exports/x'")
        watching.join()

    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and not path.name.startswith(".")] == []


def _cancel_once_written(may_end: Interruption, folder: Path) -> None:
    wait_for(lambda: any(path.stat().st_size for path in folder.rglob(".*.new")), "a file that is being written")
    may_end.stop(StopReason.CANCELLED)


def test_a_bucket_has_what_a_folder_would_have(pool: QueryProcesses, store: LoneStore, s3_url: str) -> None:
    place = locate(s3_url, os.environ)
    assert isinstance(place, S3Location)
    select = f"SELECT n, m AS part FROM {PAIRS.format(3)}"
    text = f"UNLOAD ({select}) TO 's3://exports/x/y' WITH (partitioned_by = ARRAY['part'])"

    rows, metadata, manifest = unload(pool, store, place, text)

    files = fs.S3FileSystem(**place.for_pyarrow())
    found = files.get_file_info(fs.FileSelector(place.key(""), recursive=True))
    sizes = {info.path.removeprefix(place.key("") + "/"): info.size for info in found if info.is_file}
    with files.open_input_file(place.key(manifest.removeprefix("s3://exports/"))) as stream:
        described = json.loads(stream.read())["result_files"]
    assert rows == "30000"
    assert {file["url"]: file["file_metadata"]["content_length_in_bytes"] for file in described} == {
        f"s3://exports/{path}": size for path, size in sizes.items() if "/results/part=" in path
    }
    assert len(sizes) == 3 + len({metadata, manifest})
