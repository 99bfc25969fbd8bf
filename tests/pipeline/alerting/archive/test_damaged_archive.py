"""Damage to rows of an archive. Every damage to every file: `tests/damage`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.alerting.archive.dead_letters import DeadLetterArchive
from tests.damage.archives import LETTERS, DeadLetters, letter
from tests.support.damages import observed

FILE = "dead_letters.sqlite"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """What a process leaves that was stopped, and one that was killed."""
    return DeadLetters().make(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def reports() -> Iterator[list[tuple[str, str]]]:
    with observed() as found:
        yield found


def test_one_flipped_bit_of_a_row_is_repaired_also_in_the_wal(
    files: Mapping[str, Path], tmp_path: Path, reports: list[tuple[str, str]]
) -> None:
    for state, name in (("stopped", FILE), ("killed", f"{FILE}-wal")):
        folder = tmp_path / state
        shutil.copytree(files[state], folder)
        data = bytearray((folder / name).read_bytes())
        data[data.rindex(letter(100).payload) + 7] ^= 2
        (folder / name).write_bytes(data)

        with closing(DeadLetterArchive(folder / FILE)) as archive:
            assert len(archive.list(limit=1_000)) == LETTERS

    assert {outcome for _, outcome in reports} == {"repaired"}
