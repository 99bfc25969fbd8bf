"""A whole store: the catalog, a table of the magnetic tier, and all that the owner of a partition left."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from store import layout
from store.catalog.catalog import TableSettings
from store.objects.objects import open_objects
from store.objects.sealed import SealedObjects
from store.partition_store import PartitionStore
from store.record import TableId
from store.store import Store
from store.testing import Row, batch_of
from tests.golden.conftest import FILES, Golden
from tests.support.tables import save_pending_rows

T = 1_795_000_000_123_456_789
PARTITION = "0123456789abcdef/readings/0"
TABLE = TableId("farm", "d", "t")
TEMPLATES = {("d", "t"): TableSettings(timedelta(days=3), timedelta(days=30), from_config=True)}
FRAMES = [
    [Row((("s", "a"), ("site", "north")), T, (("v", 1.5), ("n", 7), ("text", "é"), ("flag", True)))],
    [Row((("s", "a"), ("site", "north")), T, (("v", 2.5),)), Row((("s", "b"),), T + 1, (("v", -1.0),))],
    [Row((("s", "c"),), T + 2, (("late", 3),))],  # in the rows that are pending when it is left
]


def test_what_was_left_is_taken_up(golden: Golden, tmp_path: Path) -> None:
    write(tmp_path / "written")

    unpack(golden("store-2.tar.xz", pack(tmp_path / "written"), is_exact=False), tmp_path / "kept")

    assert listing(tmp_path / "written") == listing(tmp_path / "kept")
    assert_is_taken_up(tmp_path / "kept")


def test_what_was_left_in_format_1_is_taken_up_and_sealed(tmp_path: Path) -> None:
    unpack((FILES / "store.tar.xz").read_bytes(), tmp_path)

    assert_is_taken_up(tmp_path)

    objects = SealedObjects(open_objects(str(tmp_path / layout.OBJECTS)))
    assert objects.get(layout.FORMAT) == b"2\n"
    assert all(objects.get(path) is not None for path in objects.list(layout.STATE))


def assert_is_taken_up(folder: Path) -> None:
    with opened(folder) as (shared, store):
        assert store.replay_from(PARTITION) == len(FRAMES)
        with shared.snapshot("farm", lambda request, pin: [pin(store)]) as snapshot:
            rows = snapshot.execute(f"SELECT * FROM {snapshot.source(TABLE)} ORDER BY time_ns").to_pylist()
    assert [
        (row["s"], row["site"], row["time_ns"], row["v"], row["n"], row["text"], row["flag"], row["late"])
        for row in rows
    ] == [
        ("a", "north", T, 2.5, 7, "é", True, None),
        ("b", None, T + 1, -1.0, None, None, None, None),
        ("c", None, T + 2, None, None, None, None, 3),
    ]


def write(folder: Path) -> None:
    """Two frames that are committed, and one that is among the pending rows."""
    with opened(folder) as (_, store):
        for offset, rows in enumerate(FRAMES):
            store.apply(batch_of(store.registry.of(TABLE), PARTITION, [offset] * len(rows), rows))
            store.advance(PARTITION, offset)
            if offset == 1:
                store.flush()
        save_pending_rows(store)
        store._upkeep.save_positions()


@contextmanager
def opened(folder: Path) -> Iterator[tuple[Store, PartitionStore]]:
    shared = Store.open(
        str(folder),
        partitions=[PARTITION],
        memory_limit_bytes=1 << 26,
        templates=TEMPLATES,
        clock_ns=lambda: T,
        log_end=lambda: {PARTITION: len(FRAMES)},
    )
    try:
        yield shared, shared.take(PARTITION)
    finally:
        shared.close()


def pack(folder: Path) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as tar:
        tar.add(folder, ".")
    return data.getvalue()


def unpack(data: bytes, folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        tar.extractall(folder, filter="data")


def listing(folder: Path) -> list[str]:
    """The names that are there; of files of Delta, without their random ids."""
    names = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return sorted(re.sub(r"([0-9a-f]{8}-)?[0-9a-f]{24}", "ID", name) for name in names)
