"""The power goes at any moment: what was promised is true after the next start, and nothing else has come to be.

A real run is recorded (`tests.support.power`), and what no fsync had made durable is lost, kept or torn, in more ways
than any one file system has. `--power-cuts 300` cuts the power more often.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.examples import one_in
from tests.support.power.cuts import Cut, spread_cuts, try_cuts
from tests.support.power.disk import Disk, Folder, all_of, write_out
from tests.support.power.recording import Recording, record

pytestmark = [pytest.mark.processes, pytest.mark.timeout(7200)]

SECONDS, RATE = 3.0, 40.0
SEED = 12
WITNESSES = ("folder", "log", "commit", "parquet", "position", "catalog", "archive", "rules")
"""Kinds of files, ordered by how soon their fsync is missed. Series and checkpoints are made again from others."""


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
def test_what_was_promised_of_small_tables_survives(
    together: Recording, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    cuts = spread_cuts(together.records, request.config.getoption("--power-cuts"), SEED)

    assert [str(outcome) for outcome in try_cuts(together, cuts, tmp_path) if outcome.broken] == []


@pytest.mark.parametrize("kind", [kind for number, kind in enumerate(WITNESSES) if number % one_in() == 0])
def test_an_fsync_that_is_left_out_is_noticed(recording: Recording, tmp_path: Path, kind: str) -> None:
    """The same cuts break a law if fsyncs of this kind of file do not count: so the test above can fail."""
    assert first_broken(recording, tmp_path, kind)


@pytest.mark.soak
def test_an_fsync_of_pending_rows_that_is_left_out_is_noticed(together: Recording, tmp_path: Path) -> None:
    assert first_broken(together, tmp_path, "pending")


def first_broken(recording: Recording, folder: Path, kind: str) -> str:
    """The first broken law, with late cuts first: by then the log is trimmed, and has nothing to repeat."""
    end = len(recording.records)
    cuts = [Cut(end - part * end // 40, f"{kind}.{part}", "none", "none") for part in range(20)]
    for number in range(0, len(cuts), 2):
        with closing(
            try_cuts(recording, cuts[number : number + 2], folder / str(number), lambda of: of != kind)
        ) as tried:
            found = next((str(outcome) for outcome in tried if outcome.broken), "")
        if found:
            return found
    return ""


def names_of(folder: Folder) -> dict[str, object]:
    return folder.names  # type: ignore[return-value]


def in_run(paths: set[str]) -> Iterator[str]:
    """Those that are valid only while a process runs."""
    return (path for path in paths if "/run/" in path)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith("-shm") and "/run/" not in os.fspath(path)
    }
