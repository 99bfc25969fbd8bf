"""What one handle changes, it changes as the version after the one that it has read, or not at all."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from store.catalog.schema import Column
from store.magnetic.delta import DeltaHandle, Raced
from store.record import MeasureType


def test_of_two_that_create_a_table_at_once_one_does_and_its_columns_stand(tmp_path: Path) -> None:
    """Otherwise the second would replace the schema of the first, in a version after it."""
    barrier = threading.Barrier(2)

    def create(folder: Path, name: str) -> str | None:
        barrier.wait(60)
        try:
            DeltaHandle.create(folder, [Column(name, "measure", MeasureType.DOUBLE, name)])
        except Raced:
            return None
        return name

    for number in range(10):
        folder = tmp_path / str(number)
        folder.mkdir()
        with ThreadPoolExecutor(2) as threads:
            created = [name for name in threads.map(create, [folder] * 2, ["a", "b"]) if name]

        found = DeltaHandle.open(folder)
        assert found is not None
        assert (found.version, [column.name for column in found.columns()]) == (0, created)
