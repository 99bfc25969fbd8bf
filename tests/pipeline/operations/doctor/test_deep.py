"""`doctor --deep` finds every damaged file by name, says what to do, and changes nothing."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.archive.dead_letters import DeadLetterArchive
from pipeline.base.layout import prepare
from pipeline.config import Config
from pipeline.log.dead_letter import DeadLetter, Reason
from pipeline.log.embedded.folder import open_folder
from pipeline.log.embedded.topic_file import TopicFile
from pipeline.log.topics import READINGS
from pipeline.operations.doctor.deep import verify
from pipeline.operations.doctor.finding import Level
from pipeline.worker.tier_owner import own_tier
from store.catalog.catalog import TableSettings
from store.record import TableId
from store.store import Store
from store.testing import Row, batch_of
from tests.support.damages import cut, flip, flip_two
from tests.support.fault_kit import hasty
from tests.support.power.journal import Recorder
from tests.support.power.load import Publisher, Tables
from tests.support.power.recording import ProductOnDisk, under_load

TABLE = TableId("default", "d", "t")
T0 = 1_795_000_000_000_000_000
TEN_YEARS = timedelta(days=3650)
# The last of each pattern is damaged
FILES = (
    "format.json",
    "id",
    "log/log.json",
    "log/readings.sqlite-wal",
    "dead_letters.sqlite",
    "magnetic/_streamgauge/owner",
    "magnetic/_streamgauge/catalog/*",
    "magnetic/_streamgauge/state/*/*/*/floor/*",
    "magnetic/_streamgauge/state/*/*/*/series/default/d/t/*",
    "magnetic/default/d/t/_delta_log/*.json",
    "magnetic/default/d/t/date=*/*.parquet",
)


def config_of(folder: Path) -> Config:
    return Config.model_validate({"data_dir": folder})


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data_dir that was left in use: its log has a WAL."""
    config = config_of(tmp_path_factory.mktemp("running"))
    layout = config.layout
    prepare(layout)
    own_tier(config)
    log = open_folder(layout.log)
    AlertArchive(layout.alerts).close()
    with closing(DeadLetterArchive(layout.dead_letters)) as letters:
        letters.accept("a", 1, [DeadLetter("1", "a", "t", bytes(400_000), Reason.NO_ROUTE, "", 1)])
    with closing(TopicFile(log, READINGS)) as topic:
        topic.append([(0, random.Random(1).randbytes(70_000))])
        store = Store.open(
            config.magnetic_url,
            partitions=[log.partition_id(READINGS)],
            memory_limit_bytes=1 << 26,
            templates={},
            clock_ns=lambda: T0,
            log_end=dict,
        )
        owner = store.take(log.partition_id(READINGS))
        store.catalog.create_database("default", "d")
        store.catalog.create_table(TABLE, TableSettings(TEN_YEARS, TEN_YEARS))
        row = Row((("s", "1"),), T0, (("v", 1.5),))
        owner.apply(batch_of(owner.registry.of(TABLE), log.partition_id(READINGS), [0], [row]))
        owner.advance(log.partition_id(READINGS), 0)
        owner.flush()
        store.close()
        folder = tmp_path_factory.mktemp("left") / "data"
        shutil.copytree(layout.data_dir, folder)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if is_content(path)}


def is_content(path: Path) -> bool:
    return path.is_file() and not path.name.endswith("-shm")


def test_what_is_as_it_was_written_is_said_to_be_and_progress_is_told(left: Path, tmp_path: Path) -> None:
    shutil.copytree(left, tmp_path / "data")
    told: list[str] = []

    (found,) = verify(config_of(tmp_path / "data"), told.append)

    assert found.level is Level.OK
    assert any("readings.sqlite" in line for line in told)
    assert any("default/d/t: 1 files" in line for line in told)
    assert content(tmp_path / "data") == content(left)


@pytest.mark.parametrize("pattern", FILES)
@pytest.mark.parametrize("change", [flip, flip_two, cut], ids=lambda change: change.__name__)
def test_each_damaged_file_is_named_and_left_as_it_is(left: Path, tmp_path: Path, pattern: str, change: object) -> None:
    folder = tmp_path / "data"
    shutil.copytree(left, folder)
    path = max(folder.glob(pattern))
    assert callable(change)
    change(path, "middle", random.Random(pattern), path)
    before = content(folder)

    found = verify(config_of(folder), lambda _: None)

    damaged = [finding for finding in found if finding.level is Level.FAIL]
    assert damaged, pattern
    assert any(str(path).removesuffix("-wal") in finding.what for finding in damaged)
    assert all(finding.remedy for finding in damaged)
    assert content(folder) == before


@pytest.mark.processes
def test_beside_a_server_that_writes_and_deletes_it_changes_nothing_and_finds_nothing(tmp_path: Path) -> None:
    """What it writes would be in the record of the disk; only SQLite's index of a WAL is shared, as by any reader."""
    recorder = Recorder(tmp_path, tmp_path / "disk")
    with hasty(tmp_path, FAULT_CHECKPOINT_COMMITS="4", FAULT_KEEP_S="0"), ProductOnDisk(recorder) as product:
        publishers = [Publisher(recorder, number, 0, 40.0) for number in range(2)]
        with under_load(product, publishers, Tables(recorder)):
            for _ in range(3):
                said = _doctor_beside(product, recorder)
                assert (said["fail"], said["ok"]) == ([], 1)
    changed = {one.path2 or one.path for one in recorder.records() if one.op in set("WTRLUDX")}
    assert {path for path in changed if not path.endswith("-shm")} == set()
    assert list(product.data_dir.glob("magnetic/default/churn/*/_delta_log/*.json"))


def _doctor_beside(product: ProductOnDisk, recorder: Recorder) -> dict[str, Any]:
    """The findings of `doctor --deep` in a process whose writes are recorded."""
    with recorder.preloaded():
        done = subprocess.run(
            [sys.executable, "-c", _VERIFY, str(product.data_dir)],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


_VERIFY = """
import json, sys
from pathlib import Path
from pipeline.config import Config
from pipeline.operations.doctor.deep import verify
found = verify(Config.model_validate({"data_dir": Path(sys.argv[1])}), lambda _what: None)
fails = [finding.what for finding in found if finding.level == "fail"]
print(json.dumps({"fail": fails, "ok": sum(finding.level == "ok" for finding in found)}))
"""
