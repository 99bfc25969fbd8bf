"""The power goes at any moment: what was promised is true after the next start, and nothing else has come to be.

A real run is recorded (`tests.support.power`), and what no fsync had made durable is lost, kept or torn, in more ways
than any one file system has. `--power-cuts 300` cuts the power more often.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.power.cuts import SETTLE_S, SOON_S, Cut, check_product, spread_cuts, try_cuts
from tests.support.power.disk import Disk, Folder, Node, all_of, write_out
from tests.support.power.lives import continued, kill_points
from tests.support.power.recording import Recording, record

pytestmark = [pytest.mark.processes, pytest.mark.timeout(7200)]

SECONDS, RATE = 3.0, 40.0
SEED = 12
OTHERS = ("folder", "log", "commit", "parquet", "position", "catalog", "rules")
"""Further kinds of files whose fsync is missed. Series and Delta checkpoints are made again from others."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A run in which each table is committed by itself."""
    return record(tmp_path_factory.mktemp("power"), seconds=SECONDS, rate=RATE)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A run in which the rows of small tables are saved together, as pending rows."""
    return record(tmp_path_factory.mktemp("power-together"), seconds=SECONDS, rate=RATE, FAULT_MOST_FLUSHED_ALONE="0")


def test_the_record_is_the_disk(recording: Recording, tmp_path: Path) -> None:
    """Byte by byte, whichever language wrote it; only what is mapped into memory is not seen, and not relied on."""
    disk = Disk(recording.records)
    for one in recording.records:
        disk.follow(one)
    write_out(disk.root, names_of, all_of, tmp_path / "again")

    assert disk.unknown == []
    assert {path for path in disk.mapped if not path.endswith("-shm")} <= set(in_run(disk.mapped))
    assert contents(tmp_path / "again") == contents(recording.recorder.root)


def test_what_was_promised_survives(recording: Recording, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    cuts = spread_cuts(recording.records, request.config.getoption("--power-cuts"), SEED)

    assert [str(outcome) for outcome in try_cuts(recording, cuts, tmp_path) if outcome.broken] == []


@pytest.mark.soak
def test_the_whole_product_starts_and_devices_go_on(
    recording: Recording, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    cuts = spread_cuts(recording.records, max(5, request.config.getoption("--power-cuts") // 15), SEED + 1)

    outcomes = try_cuts(recording, cuts, tmp_path, check=check_product)
    assert [str(outcome) for outcome in outcomes if outcome.broken] == []


@pytest.mark.soak
def test_what_was_promised_of_small_tables_survives(
    together: Recording, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    cuts = spread_cuts(together.records, request.config.getoption("--power-cuts"), SEED)

    assert [str(outcome) for outcome in try_cuts(together, cuts, tmp_path) if outcome.broken] == []


@pytest.mark.parametrize("kind", ["archive", *(pytest.param(kind, marks=pytest.mark.soak) for kind in OTHERS)])
def test_an_fsync_that_is_left_out_is_noticed(recording: Recording, tmp_path: Path, kind: str) -> None:
    """The same cuts break a law if fsyncs of this kind of file do not count: so the test above can fail."""
    assert_missed(recording, tmp_path, kind)


@pytest.mark.soak
def test_an_fsync_of_pending_rows_that_is_left_out_is_noticed(together: Recording, tmp_path: Path) -> None:
    assert_missed(together, tmp_path, "pending")


@pytest.mark.soak
def test_what_a_killed_process_left_is_durable_before_it_is_built_upon(
    recording: Recording, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """All is killed, a worker goes on, and the power goes then. The same without `make_all_durable` breaks a law."""
    lives = max(5, request.config.getoption("--power-cuts") // 20)
    missed = False
    for number, at in enumerate(kill_points(recording.records, lives, SEED)):
        life = continued(recording, at, tmp_path / f"{number}")
        end = len(life.records)
        cuts = [Cut(at + part * (end - at) // 5, f"{at}.{part}", "none", "none") for part in range(1, 6)]
        outcomes = [*try_cuts(life, cuts, tmp_path / f"{number} with")]
        assert [f"killed at {at}, {outcome}" for outcome in outcomes if outcome.broken] == []
        if not missed:
            last = [replace(cuts[-1], settle_s=SOON_S)]
            (without,) = try_cuts(life, last, tmp_path / f"{number} without", lambda of: of != "everything")
            missed = bool(without.broken)
    assert missed, "no law needs make_all_durable"


def assert_missed(recording: Recording, folder: Path, kind: str) -> None:
    """There is a cut after which all is well, and is not without the fsyncs of one kind of file.

    Late ones come first: by then the log is trimmed, and has nothing to repeat.
    """
    end = len(recording.records)
    for part in range(20):
        cut = Cut(end - part * end // 40, f"{kind}.{part}", "none", "none", settle_s=SOON_S)
        (without,) = try_cuts(recording, [cut], folder / f"{part} without", lambda of: of != kind)
        if without.broken:
            (outcome,) = try_cuts(recording, [replace(cut, settle_s=SETTLE_S)], folder / f"{part} with")
            assert outcome.broken == []
            return
    raise AssertionError(f"no law needs an fsync of {kind}")


def names_of(folder: Folder) -> dict[str, Node]:
    return folder.names


def in_run(paths: set[str]) -> Iterator[str]:
    """Those that are valid only while a process runs."""
    return (path for path in paths if "/run/" in path)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith("-shm") and "/run/" not in os.fspath(path)
    }
