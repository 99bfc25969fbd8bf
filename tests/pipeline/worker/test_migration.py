"""A data_dir that a program of format 1 wrote (`files/make_data_dirs.py`) is taken over whole, after any kill too."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.base.layout import FORMAT_VERSION, format_version_of, prepare
from pipeline.config import Config
from pipeline.config.load import load_config
from pipeline.log import open_admin
from pipeline.log.log import LogAdmin
from pipeline.log.topics import READINGS
from pipeline.stream.partitions.manager import PartitionManager
from pipeline.stream.rule_files import read_rules
from pipeline.worker.migration import migrate
from store.errors import StoreFormatError
from store.layout import OBJECTS
from store.objects.objects import ASIDE, open_objects
from tests.pipeline.worker.files.make_data_dirs import Running
from tests.support.power.short import record_work, states
from tests.support.s3_server import S3Server
from tests.support.stopped_states import StoppedStates
from tests.support.waiting import wait_for

MADE = Path(__file__).parent / "files" / "format-1"
NAMES = ("killed", "checkpoint", "ended")


def unpack(name: str, folder: Path) -> Path:
    with tarfile.open(MADE / f"{name}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    (folder / "streamgauge.yaml").write_text(
        json.dumps(json.loads((folder / "streamgauge.yaml").read_text()) | {"data_dir": "data"})
    )
    return folder


def config_of(folder: Path) -> Config:
    return load_config(folder / "streamgauge.yaml")


@contextlib.contextmanager
def migrated(config: Config) -> Iterator[LogAdmin]:
    prepare(config.layout)
    with contextlib.closing(open_admin(config.log_settings)) as admin:
        migrate(config, admin)
        yield admin


def objects_below(folder: Path) -> dict[str, bytes]:
    """What migration has made, by path."""
    root = folder / "data" / "magnetic" / OBJECTS
    files = (path for path in root.rglob("*") if path.is_file() and path.parent.name != ASIDE)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


@contextlib.contextmanager
def opened(config: Config, admin: LogAdmin) -> Iterator[PartitionManager]:
    manager = PartitionManager(config, admin, read_rules(config.rule_files)[0])
    try:
        asyncio.run(manager.assigned({0}))
        yield manager
    finally:
        manager.close()


@pytest.mark.processes
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [*NAMES[:-1], pytest.param(NAMES[-1], marks=pytest.mark.soak)])
def test_every_answer_is_as_before_and_stays_so(tmp_path: Path, name: str) -> None:
    """Rows, zones, measures and their units, alerts and what is pending, dead letters: of every account.

    After a kill of the new program, too.
    """
    folder = unpack(name, tmp_path)
    told = json.loads((folder / "answers.json").read_text())
    config = json.loads((folder / "streamgauge.yaml").read_text())

    answers = []
    for number in (signal.SIGKILL, signal.SIGTERM):
        running = Running(folder, config, flush_after_s=3600, roles=["worker"])
        with contextlib.suppress(AssertionError):  # rules' counts are looked at every few seconds only
            wait_for(lambda of=running: of.answers() == told, "all is as before", timeout_s=30, every_s=0.5)
        answers.append(running.answers())
        running.end(number)

    assert answers == [told, told]


@pytest.mark.parametrize(("name", "low_watermark"), [("killed", 62), ("checkpoint", None), ("ended", None)])
def test_the_log_is_read_from_where_it_was_to_be_read(tmp_path: Path, name: str, low_watermark: int | None) -> None:
    folder = unpack(name, tmp_path)
    low_watermarks = json.loads((folder / "data" / "store" / "positions.json").read_text())["floors"]
    config = config_of(folder)

    with migrated(config) as admin, opened(config, admin) as manager:
        start = manager.start_offset(0)
        trimmed_below = admin.extent(READINGS).first

    assert start == low_watermarks[admin.partition_id(READINGS)]
    assert start >= trimmed_below
    assert low_watermark in {None, start}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_the_old_stays(tmp_path: Path, name: str) -> None:
    folder = unpack(name, tmp_path)
    (folder / "data" / "rules" / "mine.yaml").write_text("groups: []")

    with migrated(config_of(folder)):
        pass

    assert format_version_of(folder / "data" / "format.json") == FORMAT_VERSION == 2
    assert not (folder / "data" / "store").exists()
    assert [path.name for path in (folder / "data" / "rules").rglob("*")] == ["mine.yaml"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", NAMES)
def test_killed_at_any_step_it_is_done_again_and_comes_to_the_same(tmp_path: Path, name: str) -> None:
    folder = unpack(name, tmp_path / "life")
    config = config_of(folder)
    prepare(config.layout)
    watcher = StoppedStates(folder / "data", tmp_path / "states", lambda: None)
    watcher.know()  # what is there already is not torn
    with watcher.watching(), migrated(config):
        pass
    whole = objects_below(folder)
    assert watcher.seen > 20

    different = []
    for state in watcher.states:
        again = tmp_path / "again"
        shutil.copytree(folder, again, ignore=shutil.ignore_patterns("data"))
        state.folder.rename(again / "data")
        with migrated(config_of(again)):
            pass
        if objects_below(again) != whole or (again / "data" / "store").exists():
            different.append(state.what)
        shutil.rmtree(again)

    assert different == []


MIGRATE = """
import contextlib, sys
from pathlib import Path
from tests.pipeline.worker.test_migration import config_of, migrated
with migrated(config_of(Path(sys.argv[2]))):
    pass
"""


@pytest.mark.processes
@pytest.mark.timeout(600)
def test_after_a_power_failure_at_any_step_it_is_done_again_and_comes_to_the_same(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """It removes the old files last, when the new ones and their names are durable."""
    before = unpack("killed", tmp_path / "before")
    folder = Path(shutil.copytree(before, tmp_path / "life"))
    records = record_work(tmp_path, folder, MIGRATE)
    whole = objects_below(folder)
    assert len(whole) > 5

    different = []
    place = tmp_path / "cut"
    for what, _ in states(before, records, place, most=3 * request.config.getoption("--power-cuts")):
        with migrated(config_of(place)):
            pass
        if objects_below(place) != whole or (place / "data" / "store").exists():
            different.append(what)

    assert different == []


def test_it_is_said_in_the_log_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = config_of(unpack("ended", tmp_path))
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            with migrated(config):
                pass

    (said,) = (record.message for record in caplog.records if "migrated" in record.message)
    assert "1 tables" in said
    assert str(config.data_dir) in said


def test_without_the_catalog_nothing_is_changed(tmp_path: Path) -> None:
    folder = unpack("ended", tmp_path)
    (folder / "data" / "store" / "catalog.json").unlink()
    before = sorted(path for path in (folder / "data" / "store").rglob("*"))

    with pytest.raises(StoreFormatError, match=r"catalog\.json is missing"), migrated(config_of(folder)):
        pass

    assert format_version_of(folder / "data" / "format.json") == 1
    assert sorted(path for path in (folder / "data" / "store").rglob("*")) == before


def test_a_magnetic_tier_with_another_catalog_is_refused(tmp_path: Path) -> None:
    folder = unpack("ended", tmp_path)
    others = open_objects(str(folder / "data" / "magnetic" / OBJECTS), {})
    others.create("catalog/00000000000000000001.json", b'{"databases": [], "tables": [], "buried": []}')

    with pytest.raises(StoreFormatError, match="is another catalog than"), migrated(config_of(folder)):
        pass

    assert format_version_of(folder / "data" / "format.json") == 1
    assert (folder / "data" / "store" / "catalog.json").exists()


def test_a_magnetic_tier_in_a_bucket_is_migrated_there(
    tmp_path: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = unpack("killed", tmp_path)
    for variable, value in s3.environment.items():
        monkeypatch.setenv(variable, value)
    s3.make_bucket("migrated")
    bucket = open_objects("s3://migrated/history", s3.environment)
    magnetic = folder / "data" / "magnetic"
    for path in magnetic.rglob("*"):
        if path.is_file():
            bucket.put(path.relative_to(magnetic).as_posix(), path.read_bytes())
    shutil.rmtree(magnetic)
    document = json.loads((folder / "streamgauge.yaml").read_text())
    (folder / "streamgauge.yaml").write_text(json.dumps(document | {"magnetic": {"url": "s3://migrated/history"}}))
    config = config_of(folder)

    with migrated(config) as admin, opened(config, admin) as manager, manager.store.snapshot("farm-a") as snapshot:
        (info,) = (info for info in manager.store.catalog.tables("farm-a", "farm") if info.table.table == "climate")
        rows = snapshot.execute(f"SELECT count(*) AS n FROM {snapshot.source(info.table)}")["n"].to_pylist()

    assert rows[0] > 20
    assert bucket.list("_streamgauge/catalog")
