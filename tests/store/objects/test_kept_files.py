"""Small files with a copy: whatever happens to one of the two, the content stays."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from store.objects.kept_files import copy_of, read_kept, write_kept
from tests.support.damages import DAMAGES, REGIONS, Damage


@pytest.mark.parametrize("change", DAMAGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("is_copy", [False, True])
def test_what_is_read_was_written(tmp_path: Path, change: Damage, is_copy: bool) -> None:
    path, older = tmp_path / "id", tmp_path / "older"
    older.write_bytes(b"fedcba9876543210\n")
    for region in REGIONS:
        write_kept(path, b"0123456789abcdef\n")
        change(copy_of(path) if is_copy else path, region, random.Random(region), older)

        assert read_kept(path) == b"0123456789abcdef\n"
        assert path.read_bytes() == b"0123456789abcdef\n"
        assert read_kept(path) == b"0123456789abcdef\n"


def test_a_file_of_an_earlier_version_gets_its_copy(tmp_path: Path) -> None:
    (tmp_path / "id").write_bytes(b"old")

    assert read_kept(tmp_path / "id") == b"old"
    assert copy_of(tmp_path / "id").exists()
    assert read_kept(tmp_path / "other") is None
