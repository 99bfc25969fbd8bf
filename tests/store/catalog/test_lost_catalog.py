"""A catalog that is lost is refused in clear words; one that never was is not missed."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from store import layout
from store.catalog.catalog import TableSettings
from store.errors import StoreFormatError
from store.record import TableId
from store.shared import SharedStore
from store.store import Store
from store.testing import Row, batch_of

TABLE = TableId("default", "d", "t")
PARTITION = "0123456789abcdef/readings/0"
TEMPLATES = {("d", "t"): TableSettings(timedelta(days=3), timedelta(0), from_config=True)}
T0 = 1_795_000_000_000_000_000


def open_store(folder: Path) -> Store:
    return Store.open(folder, memory_limit_bytes=1 << 26, templates=TEMPLATES, clock_ns=lambda: T0)


def write(store: Store) -> None:
    store.apply(batch_of(store.registry.of(TABLE), PARTITION, [0], [Row((("s", "1"),), T0, (("v", 1.0),))]))
    store.advance(PARTITION, 0)


def open_shared(folder: Path) -> SharedStore:
    return SharedStore.open(
        str(folder),
        folder,
        partitions=[PARTITION],
        memory_limit_bytes=1 << 26,
        templates=TEMPLATES,
        clock_ns=lambda: T0,
        log_end=lambda: {PARTITION: 1},
    )


def test_a_store_that_had_no_table_yet_needs_no_catalog(tmp_path: Path) -> None:
    """All that came were dead letters: the positions passed them, and no table came to be."""
    store = open_store(tmp_path)
    store.advance(PARTITION, 41)
    store.flush()
    store.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["format", "lock", "magnetic", "positions.json"]

    again = open_store(tmp_path)

    assert again.replay_from(PARTITION) == 42
    assert again.catalog.all_tables() == []
    again.close()


@pytest.mark.parametrize("lost", [[], [layout.SERIES], [layout.POSITIONS], [layout.MAGNETIC]])
def test_a_store_that_had_tables_is_not_opened_without_its_catalog(tmp_path: Path, lost: list[str]) -> None:
    """Whatever else is lost with it, as long as something tells."""
    store = open_store(tmp_path)
    write(store)
    store.flush()
    store.close()
    (tmp_path / layout.CATALOG).unlink()
    for name in lost:
        path = tmp_path / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    with pytest.raises(StoreFormatError, match=r"catalog\.json is missing, and there were tables: .*from a backup"):
        open_store(tmp_path)


def test_workers_do_not_begin_anew_beside_what_others_left_without_the_catalog(tmp_path: Path) -> None:
    shared = open_shared(tmp_path)
    store = shared.take(PARTITION)
    write(store)
    store.flush()
    shared.close()
    shutil.rmtree(tmp_path / layout.SHARED / layout.SHARED_CATALOG)

    with pytest.raises(StoreFormatError, match=r"_streamgauge/catalog is missing, and there were workers"):
        open_shared(tmp_path)
