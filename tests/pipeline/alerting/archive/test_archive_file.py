"""What SQLite cannot do is an error of ours, and the file can be used again once the cause is gone."""

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from pipeline.alerting.archive.database import ArchiveFile
from pipeline.base.errors import ArchiveError

SCHEMA = ("CREATE TABLE kept (value BLOB NOT NULL)",)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alerts.sqlite"


def keep(archive: ArchiveFile, size_bytes: int) -> None:
    with archive.writing() as db:
        db.execute("INSERT INTO kept VALUES (zeroblob(?))", (size_bytes,))


def kept(archive: ArchiveFile) -> int:
    return int(archive.read("SELECT count(*) FROM kept")[0][0])


def test_a_full_file_takes_nothing_of_a_transaction_and_the_next_one_when_there_is_room(path: Path) -> None:
    with closing(ArchiveFile(path, SCHEMA, 1)) as archive:
        with archive.writing() as db:
            db.execute("PRAGMA max_page_count=10")
        with pytest.raises(ArchiveError, match=r"alerts\.sqlite: database or disk is full SQLITE_FULL"):
            keep(archive, 1 << 20)
        before = kept(archive)
        keep(archive, 10)

        assert (before, kept(archive)) == (0, 1)


def test_a_file_damaged_meanwhile_is_named_with_the_remedy(path: Path) -> None:
    with closing(ArchiveFile(path, SCHEMA, 1)) as archive:
        keep(archive, 100_000)
        with closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        path.write_bytes(b"no database" * 10_000)

        with pytest.raises(ArchiveError, match=r"alerts\.sqlite is damaged: .*it is set aside"):
            kept(archive)


def test_what_a_killed_process_left_in_the_wal_is_copied_into_the_file(path: Path, tmp_path: Path) -> None:
    """If an fsync of the WAL had failed, it is in the page cache, and perhaps not on the disk."""
    left = tmp_path / "left"
    left.mkdir()
    with closing(ArchiveFile(path, SCHEMA, 1)) as killed:
        keep(killed, 10)
        for file in (path, path.with_name(f"{path.name}-wal")):
            shutil.copy(file, left)
    wal = left / f"{path.name}-wal"
    before = wal.stat().st_size

    with closing(ArchiveFile(left / path.name, SCHEMA, 1)) as archive:
        assert (before > 0, wal.stat().st_size, kept(archive)) == (True, 0, 1)


def test_a_folder_in_its_place_is_refused(path: Path) -> None:
    path.mkdir()

    with pytest.raises(ArchiveError, match=r"alerts\.sqlite"):
        ArchiveFile(path, SCHEMA, 1)


def test_an_error_of_the_caller_undoes_the_transaction(path: Path) -> None:
    with closing(ArchiveFile(path, SCHEMA, 1)) as archive:
        with suppress(ZeroDivisionError), archive.writing() as db:
            db.execute("INSERT INTO kept VALUES ('x')")
            raise ZeroDivisionError

        assert kept(archive) == 0
