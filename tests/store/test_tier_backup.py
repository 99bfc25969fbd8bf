"""Law: what is restored from a backup, with the log from its low watermarks on, is what the log makes of nothing."""

import random
import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.backup.copying import Copier
from store.backup.manifest import Manifest
from store.backup.place import Place
from store.catalog.catalog import TableSettings
from store.endpoint import WriteRecord, decode_write, encode_write
from store.errors import BackupError, StoreFormatError
from store.record import MeasureType
from store.table.vacuum import KEEP_NS
from store.tier_backup import TierCopy
from store.tier_restore import TierRestore
from tests.support.examples import examples
from tests.support.lone_store import MAGNETIC, PARTITION, LoneStore, open_store

T0 = 1_795_000_000_000_000_000
TABLES = ("one", "two", "three")
SETTINGS = {("d", table): TableSettings(timedelta(days=1), timedelta(days=9), from_config=True) for table in TABLES}


class Quiet:
    """Shows nobody how far it is."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def begin(self, what: str, total_bytes: int | None = None) -> None: ...

    def done(self, size_bytes: int) -> None: ...

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class Life:
    """A log, and a store that it is applied to."""

    def __init__(self, folder: Path, rng: random.Random, magnetic_url: str | None = None) -> None:
        self._rng = rng
        self.frames: list[tuple[str, list[WriteRecord]]] = []
        self.monotonic_ns = 0
        self.store = self.opened(folder, magnetic_url)

    def opened(self, folder: Path, magnetic_url: str | None = None) -> LoneStore:
        return open_store(
            folder,
            magnetic_url=magnetic_url,
            templates=SETTINGS,
            clock_ns=lambda: T0,
            monotonic_ns=lambda: self.monotonic_ns,
        )

    def go_on(self) -> None:
        """One of the things that happen to a store."""
        self._rng.choice((self.write, self.write, self.maintain, self.rewrite, self.vacuum))()

    def write(self) -> None:
        records = [
            WriteRecord(
                (("sensor", str(sensor)),),
                "m",
                T0 - self._rng.randrange(5) * 10**9,
                self._rng.randrange(1, 4),
                (("value", MeasureType.BIGINT, self._rng.randrange(100)),),
            )
            for sensor in self._rng.sample(range(9), 4)
        ]
        self.frames.append((self._rng.choice(TABLES), records))
        apply(self.store, self.frames, len(self.frames) - 1)

    def maintain(self) -> None:
        self.monotonic_ns += self._rng.choice((10**9, 30 * 10**9))
        self.store.maintain()

    def rewrite(self) -> None:
        for table in self.store.all_tables():
            if files := table.files():
                table.rewrite([file for file in files if file.date == files[0].date])

    def vacuum(self) -> None:
        for table in self.store.all_tables():
            table.vacuum(self.monotonic_ns)
            table.vacuum(self.monotonic_ns + KEEP_NS)


def apply(store: LoneStore, frames: list[tuple[str, list[WriteRecord]]], offset: int) -> None:
    table, records = frames[offset]
    payload = encode_write("d", table, records)
    store.apply(decode_write(payload, "a", store.registry, PARTITION, offset, T0))
    store.advance(PARTITION, offset)


class Interrupted(Copier):
    """Calls something between any two things that it copies."""

    between: Callable[[], None] = staticmethod(lambda: None)

    def data(self, path: str, data: bytes) -> None:
        super().data(path, data)
        self.between()


def made(place: Place, url: str, work: Path, between: Callable[[], None], progress: Quiet | None = None) -> str:
    """Make a backup while something happens; returns its name."""
    work.mkdir(exist_ok=True)
    names = place.names()
    before = place.manifest(names[-1]) if names else None
    copier = Interrupted(place, work, before, progress or Quiet())
    copier.between = between
    tier = TierCopy(url, copier)
    tier.files_ahead()
    positions = tier.low_watermarks()
    tier.rest()
    at = f"2026-12-01T00:00:{len(names):02}.000Z"
    manifest = Manifest(
        at=at, product="1", data_dir_id="1", formats=(2, 2), log="embedded", positions=positions, files=copier.entries
    )
    return place.finish(manifest)


def restore(place: Place, name: str, url: str, work: Path) -> None:
    tier = TierRestore(url, name)
    tier.refuse_others()
    tier.begin()
    for entry in place.manifest(name).files:
        tier.file(place, entry, work)
    tier.finish(2)


def replay(store: LoneStore, frames: list[tuple[str, list[WriteRecord]]]) -> None:
    for offset in range(store.replay_from(PARTITION) or 0, len(frames)):
        apply(store, frames, offset)


def stored(store: LoneStore) -> dict[str, list[dict[str, object]]]:
    """The rows of each table."""
    found = {}
    with store.snapshot("a") as snapshot:
        for info in store.catalog.tables("a"):
            source = snapshot.source(info.table)
            sql = f"SELECT sensor, time_ns, value FROM {source} ORDER BY ALL"
            found[info.table.table] = snapshot.execute(sql).to_pylist()
    return found


@given(seed=st.integers(0, 2**32), are_small=st.booleans())
@examples(10)
def test_a_backup_of_a_store_that_goes_on_is_restored_with_the_log(
    tmp_path_factory: pytest.TempPathFactory, seed: int, are_small: bool
) -> None:
    """`are_small`: rows of small tables are saved together, as with many tables."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        if are_small:
            patch.setattr("store.upkeep.MOST_FLUSHED_ALONE", 0)
        restored_as_by_the_log(folder, random.Random(seed))
    shutil.rmtree(folder)


def restored_as_by_the_log(folder: Path, rng: random.Random) -> None:
    life = Life(folder / "a", rng)
    place = Place(str(folder / "place"), is_new=True)
    with closing(life.store):
        for _ in range(2):  # the second one is incremental
            for _ in range(12):
                life.go_on()

            def between() -> None:
                if rng.random() < 0.2:
                    life.go_on()

            backup = made(place, str(folder / "a" / MAGNETIC), folder / "work", between)
        frames = list(life.frames)
        for _ in range(5):
            life.go_on()
    restore(place, backup, str(folder / "b" / MAGNETIC), folder / "work")
    with closing(life.opened(folder / "b")) as restored, closing(life.opened(folder / "c")) as control:
        replay(restored, frames)
        replay(control, frames)
        assert stored(restored) == stored(control)


def test_only_what_is_new_is_copied_and_what_nobody_needs_is_pruned(tmp_path: Path) -> None:
    life = Life(tmp_path / "a", random.Random(1))
    url, place = str(tmp_path / "a" / MAGNETIC), Place(str(tmp_path / "place"), is_new=True)
    with closing(life.store):
        life.write()
        life.store.flush()
        first = made(place, url, tmp_path / "work", lambda: None)
        files = {path for path in (tmp_path / "place" / "files").rglob("*") if path.is_file()}
        again = made(place, url, tmp_path / "work", lambda: None)
        assert {path for path in (tmp_path / "place" / "files").rglob("*") if path.is_file()} == files
        life.write()
        life.store.flush()
        last = made(place, url, tmp_path / "work", lambda: None)

    removed, count = place.prune(1)

    assert removed == [first, again]
    assert count > 0
    assert list(place.verify(place.manifest(last), lambda _: None)) == []
    assert place.hashes() == {entry.sha256 for entry in place.manifest(last).files}


def test_damage_in_a_place_is_found_told_and_copied_again(tmp_path: Path) -> None:
    life = Life(tmp_path / "a", random.Random(1))
    url, place = str(tmp_path / "a" / MAGNETIC), Place(str(tmp_path / "place"), is_new=True)
    with closing(life.store):
        life.write()
        life.store.flush()
        first = made(place, url, tmp_path / "work", lambda: None)
        entry = next(one for one in place.manifest(first).files if one.path.endswith(".parquet"))
        path = tmp_path / "place" / "files" / entry.sha256[:2] / entry.sha256
        path.write_bytes(path.read_bytes()[:-1] + b"?")

        with pytest.raises(BackupError, match=r"is damaged: its \d+ bytes do not have this hash, so magnetic/a/d/"):
            restore(place, first, str(tmp_path / "b"), tmp_path / "work")
        (fault,) = place.verify(place.manifest(first), lambda _: None)
        assert entry.path in fault
        second = made(place, url, tmp_path / "work", lambda: None)

    assert list(place.verify(place.manifest(second), lambda _: None)) == []
    with pytest.raises(StoreFormatError, match=f"a restore of the backup {first} did not finish here"):
        life.opened(tmp_path, str(tmp_path / "b"))
    with pytest.raises(BackupError, match=f"the restore of another backup, {first}, did not finish"):
        restore(place, second, str(tmp_path / "b"), tmp_path / "work")
    restore(place, first, str(tmp_path / "b"), tmp_path / "work")
    with pytest.raises(BackupError, match="is not empty"):
        restore(place, first, str(tmp_path / "b"), tmp_path / "work")


def test_damage_in_the_source_is_told_and_copied_as_it_is(tmp_path: Path) -> None:
    life = Life(tmp_path / "a", random.Random(1))
    with closing(life.store):
        life.write()
        life.store.flush()
    (parquet,) = (tmp_path / "a").rglob("*.parquet")
    parquet.write_bytes(parquet.read_bytes()[:-1] + b"?")
    place, progress = Place(str(tmp_path / "place"), is_new=True), Quiet()

    made(place, str(tmp_path / "a" / MAGNETIC), tmp_path / "work", lambda: None, progress)

    (warning,) = progress.warnings
    assert f"{parquet} is damaged, and copied as it is: its content does not match" in warning


def test_a_place_is_empty_or_has_backups(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("x")

    with pytest.raises(BackupError, match="is not empty, and no place of backups"):
        Place(str(tmp_path / "other"), is_new=True)
    with pytest.raises(BackupError, match="has no backups"):
        Place(str(tmp_path / "none"))
    with pytest.raises(BackupError, match="has no backup of 2026-12-01T00:00:00Z or before: there is none"):
        Place(str(tmp_path / "new"), is_new=True).newest("2026-12-01T00:00:00Z")


def test_a_bucket_is_backed_up_into_a_bucket_and_restored_into_another(tmp_path: Path, s3_url: str) -> None:
    life = Life(tmp_path, random.Random(1), f"{s3_url}/a")
    place = Place(f"{s3_url}/place", is_new=True)
    with closing(life.store):
        for _ in range(20):
            life.go_on()
        life.store.flush()
        backup = made(place, f"{s3_url}/a", tmp_path / "work", life.write)
    frames = life.frames

    assert list(place.verify(place.manifest(backup), lambda _: None)) == []
    restore(place, backup, f"{s3_url}/b", tmp_path / "work")
    with (
        closing(life.opened(tmp_path, f"{s3_url}/b")) as restored,
        closing(life.opened(tmp_path / "c")) as control,
    ):
        replay(restored, frames)
        replay(control, frames)
        assert stored(restored) == stored(control)
    place.prune(1)
    assert place.names() == [backup]
