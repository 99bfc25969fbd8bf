"""The files of an UNLOAD's partitions: bounded in size, in what waits and in what is open."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.objects.new_files import new_file
from store.sql import ResultColumn, ScalarType
from store.sql.unload import UnloadOptions
from store.unload.partitions import OPEN_MAX, PartitionFiles
from store.unload.result_files import ResultFile, result_file
from store.unload.texts import csv_cells

COLUMNS = [ResultColumn("n", ScalarType.BIGINT)]
OPTIONS = UnloadOptions(compression="NONE")
CHUNK = 1_000


class Making:
    """Makes files in a folder, and knows which are open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths: dict[str, list[str]] = defaultdict(list)
        self.most_open = 0

    def __call__(self, partition: str) -> tuple[str, ResultFile]:
        path = f"{partition}-{len(self.paths[partition])}.csv"
        self.paths[partition].append(path)
        made = path, result_file(new_file(self.folder, path), COLUMNS, OPTIONS)
        self.most_open = max(self.most_open, len(list(self.folder.glob(".*.new"))))
        return made


def numbers(seed: int) -> pa.Table:
    return pa.table({"c0": np.random.default_rng(seed).integers(10**17, 10**18, CHUNK)})


def test_every_row_is_in_a_file_of_its_partition_and_few_files_are_open(tmp_path: Path) -> None:
    making = Making(tmp_path)
    files = PartitionFiles(making, 1 << 30, waiting_max_bytes=10 * CHUNK * 8)
    given_rows: dict[str, list[int]] = defaultdict(list)

    for number in range(100):
        rows = numbers(number)
        files.add(f"p{number % 20}", rows)
        given_rows[f"p{number % 20}"] += rows["c0"].to_pylist()
    files.finish()

    assert 1 < making.most_open <= OPEN_MAX
    assert sum(file.rows for file in files.written) == 100 * CHUNK
    for partition, paths in making.paths.items():
        found = [int(line) for path in paths for line in (tmp_path / path).read_text().splitlines()]
        assert sorted(found) == sorted(given_rows[partition])


def test_a_file_that_has_reached_its_size_is_followed_by_another(tmp_path: Path) -> None:
    files = PartitionFiles(Making(tmp_path), CHUNK * 19 * 2, waiting_max_bytes=0)

    for number in range(5):
        files.add("p", numbers(number))
    files.finish()

    assert [file.rows for file in files.written] == [2 * CHUNK, 2 * CHUNK, CHUNK]
    for file in files.written:
        assert file.size_bytes == (tmp_path / file.path).stat().st_size


@pytest.mark.parametrize("finished", [True, False])
def test_what_is_discarded_leaves_nothing(tmp_path: Path, *, finished: bool) -> None:
    files = PartitionFiles(Making(tmp_path), 1 << 30, waiting_max_bytes=0)
    files.add("p", numbers(1))
    if finished:
        files.finish()

    files.discard()

    assert list(tmp_path.iterdir()) == []


@given(st.lists(st.text('a,"\\\r\n|é') | st.none(), min_size=1), st.sampled_from(",|\t"), st.sampled_from("\\'"))
def test_a_cell_reads_back(texts: list[str | None], delimiter: str, escape: str) -> None:
    cells = csv_cells(pa.array(texts, pa.string()), delimiter, escape).to_pylist()

    assert [read(cell, delimiter, escape) for cell in cells] == texts


def read(cell: str, delimiter: str, escape: str) -> str | None:
    """The text of a cell, written independently."""
    if not cell:
        return None
    if not cell.startswith('"'):
        assert not set(cell) & {delimiter, escape, '"', "\r", "\n"}
        return cell
    assert cell.endswith('"')
    inner, found = cell[1:-1], ""
    while inner:
        if inner[0] == escape:
            assert inner[1] in {escape, '"'}
            inner = inner[1:]
        else:
            assert inner[0] != '"'
        found, inner = found + inner[0], inner[1:]
    return found
