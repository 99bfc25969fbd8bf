"""The models that stand for a disk and for Delta Lake do as the real ones."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from store.catalog.schema import Column
from store.magnetic.delta import DeltaHandle, Raced
from store.magnetic.parquet import DataFile
from store.record import MeasureType
from tests.simulation.delta import ModelDelta
from tests.simulation.disk import Disk
from tests.simulation.world import simulate
from tests.support.examples import times

V, W = (Column(name, "measure", MeasureType.DOUBLE, name) for name in "vw")
FROM_NS, TO_NS = 1_792_408_000_000_000_000, 1_792_408_000_000_000_999


def data_file(number: int) -> DataFile:
    return DataFile(f"date=2026-10-19/{number}.parquet", 100 + number, number, FROM_NS, TO_NS)


def told(handle: DeltaHandle | ModelDelta) -> tuple[object, ...]:
    found = handle.files(), handle.positions(["p", "q", "r"]), handle.columns(), handle.field_names(), handle.version
    return (sorted(found[0], key=lambda file: file.path), *found[1:])


@pytest.mark.parametrize("delta", [DeltaHandle, ModelDelta])
def test_a_delta_table_holds_what_was_committed(delta: type[DeltaHandle | ModelDelta], tmp_path: Path) -> None:
    assert delta.open(tmp_path) is None
    handle = delta.create(tmp_path, [V])
    other = delta.open(tmp_path)
    assert other is not None
    handle.commit([data_file(1), data_file(2)], [], {"p": 7}, is_new_data=True, token="a")
    with pytest.raises(Raced):
        other.commit([data_file(3)], [], {"q": 1}, is_new_data=True, token="b")
    with pytest.raises(Raced):
        other.add_columns([W])
    other.refresh()
    other.add_columns([W])
    other.commit([data_file(4)], [data_file(1), data_file(2)], {"q": 2, "p": 9}, is_new_data=False, token="c")
    handle.refresh()

    again = delta.open(tmp_path)

    assert again is not None
    fields = {"measure_name", "time", "time_ns_rest", "version", "_stream", "_sequence", "date", "v", "w"}
    assert told(handle) == told(again) == ([data_file(4)], {"p": 9, "q": 2}, [V, W], fields, 3)


class Always(random.Random):
    """Draws this number."""

    def __init__(self, drawn: float) -> None:
        super().__init__(0)
        self._drawn = drawn

    def random(self) -> float:
        return self._drawn

    def getrandbits(self, count: int) -> int:
        return 3


@pytest.mark.parametrize(
    ("drawn", "survives"),
    [
        (0.1, {"synced": b"old", "changed": b"new and longer"}),  # no name, and all content
        (0.5, {"synced": b"old", "changed": b"old", "unsynced": b""}),  # all names, and no content
        (0.9, {"synced": b"old", "changed": b"new", "unsynced": b"new"}),  # all names, and a part of the content
    ],
)
def test_a_power_cut_leaves_what_was_synced_and_some_of_the_rest(
    drawn: float, survives: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tmp_path / "disk", lambda _path: None)
    monkeypatch.setattr(os, "fsync", disk.fsync)
    for name in ("synced", "changed", "unsynced"):
        file = disk.root / name
        file.write_bytes(b"new" if name == "unsynced" else b"old")
        if name != "unsynced":
            for path in (file, disk.root):
                descriptor = os.open(path, os.O_RDONLY)
                os.fsync(descriptor)
                os.close(descriptor)
    (disk.root / "changed").write_bytes(b"new and longer")

    disk.cut_power(Always(drawn))

    assert {path.name: path.read_bytes() for path in disk.root.iterdir()} == survives


@pytest.mark.parametrize("seed", range(times(10)))
def test_every_law_holds_with_the_real_delta_lake(seed: int) -> None:
    simulate(seed, real_delta=True)
