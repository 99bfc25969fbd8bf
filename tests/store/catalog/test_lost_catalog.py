"""A lost catalog is refused with a clear message; a catalog that never existed is not missed."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from store import layout
from store.catalog.catalog import TableSettings
from store.errors import StoreFormatError
from store.record import TableId
from store.testing import Row, batch_of
from tests.support.lone_store import MAGNETIC, LoneStore, open_store

TABLE = TableId("default", "d", "t")
PARTITION = "0123456789abcdef/readings/0"
TEMPLATES = {("d", "t"): TableSettings(timedelta(days=3), timedelta(0), from_config=True)}
T0 = 1_795_000_000_000_000_000


def opened(folder: Path) -> LoneStore:
    return open_store(folder, partition=PARTITION, templates=TEMPLATES, clock_ns=lambda: T0)


def write(store: LoneStore) -> None:
    store.apply(batch_of(store.registry.of(TABLE), PARTITION, [0], [Row((("s", "1"),), T0, (("v", 1.0),))]))
    store.advance(PARTITION, 0)


def test_a_store_that_had_no_table_yet_goes_on(tmp_path: Path) -> None:
    """All messages were dead letters: the low watermark passed them, and no table was created."""
    store = opened(tmp_path)
    store.advance(PARTITION, 41)
    store.flush()
    store.close()

    again = opened(tmp_path)

    assert again.replay_from(PARTITION) == 42
    assert again.catalog.all_tables() == []
    again.close()


@pytest.mark.parametrize("lost", [[], ["default"]])
def test_a_store_that_had_tables_is_not_opened_without_its_catalog(tmp_path: Path, lost: list[str]) -> None:
    store = opened(tmp_path)
    write(store)
    store.flush()
    store.close()
    shutil.rmtree(tmp_path / MAGNETIC / layout.OBJECTS / layout.CATALOG)
    for name in lost:
        shutil.rmtree(tmp_path / MAGNETIC / name, ignore_errors=True)

    with pytest.raises(StoreFormatError, match=r"_streamgauge/catalog is missing, and there were workers"):
        opened(tmp_path)
