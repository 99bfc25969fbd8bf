"""Objects with checksums: what is read is what was written under that path, or it is said to be damaged."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from store import layout
from store.errors import DamagedObject, StoreFormatError
from store.objects.checksum import checksum, matches, repair
from store.objects.objects import LocalObjects
from store.objects.sealed import SealedObjects
from store.state_objects import open_state
from tests.support.damages import DAMAGES, REGIONS, Damage, seeds
from tests.support.examples import times

OLDER, NEWER = "state/p/floor/00000000000000000041", "state/p/floor/00000000000000000042"


@pytest.mark.parametrize("size", [0, 1, 60, 5_000, 300_000])
def test_one_flipped_bit_of_content_or_checksum_is_repaired_and_two_never_are(size: int) -> None:
    rng = random.Random(size)
    content = rng.randbytes(size)
    sealed = content + checksum(content, "name")
    for _ in range(times(20)):
        one, other = rng.sample(range(len(sealed) * 8), 2)
        flipped = bytearray(sealed)
        flipped[one // 8] ^= 1 << one % 8
        assert repair(bytes(flipped[:size]), "name", bytes(flipped[size:])) == content
        flipped[other // 8] ^= 1 << other % 8
        assert repair(bytes(flipped[:size]), "name", bytes(flipped[size:])) in {None, content}
    assert matches(content, "name", sealed[size:])
    assert not matches(content, "another name", sealed[size:])


@pytest.mark.parametrize("change", DAMAGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("size", [0, 1, 3_000])
def test_what_is_read_was_written_there(tmp_path: Path, change: Damage, size: int) -> None:
    objects = SealedObjects(LocalObjects(tmp_path))
    content = random.Random(1).randbytes(size)
    for region, seed in itertools.product(REGIONS, seeds()):
        objects.put(OLDER, b"older")
        objects.put(NEWER, content)
        change(tmp_path / NEWER, region, random.Random(f"{region}{seed}"), tmp_path / OLDER)
        try:
            found = objects.get(NEWER)
        except DamagedObject as error:
            assert NEWER in str(error)  # noqa: PT017  # the other case is as good
            continue
        assert found == (None if change.__name__ == "missing" else content)
        assert found is None or SealedObjects(LocalObjects(tmp_path), is_read_only=True).get(NEWER) == content


@pytest.mark.parametrize("change", DAMAGES, ids=lambda change: change.__name__)
def test_a_damaged_format_is_made_again(tmp_path: Path, change: Damage) -> None:
    objects = open_state(str(tmp_path))
    objects.put(NEWER, b"state")
    path = tmp_path / layout.OBJECTS / layout.FORMAT
    (tmp_path / "older").write_bytes(b"1\n")
    for region in REGIONS:
        change(path, region, random.Random(region), tmp_path / "older")

        assert open_state(str(tmp_path)).get(NEWER) == b"state"
        assert objects.get(layout.FORMAT) == b"2\n"


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    open_state(str(tmp_path)).put(layout.FORMAT, b"3\n")

    with pytest.raises(StoreFormatError, match=r"is b'3\\n'; this program reads 2"):
        open_state(str(tmp_path))
