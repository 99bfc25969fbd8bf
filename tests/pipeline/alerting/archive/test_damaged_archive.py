"""The file of an archive, damaged while nobody uses it: it opens, and has no row that is not as it was written."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.alerting.archive.dead_letters import DeadLetterArchive
from pipeline.log.dead_letter import DeadLetter, Reason
from store.objects import damage
from tests.support.damages import REGIONS, Damage, damages_of, seeds

NAME = "0123456789abcdef/dead_letters/0"
LETTERS = 120
FILES = ("dead_letters.sqlite", "dead_letters.sqlite-wal")


def letter(number: int) -> DeadLetter:
    payload = random.Random(number).randbytes(40 + number * 9)
    return DeadLetter(f"id:{number}", "farm", f"gh/{number % 7}", payload, Reason.NO_ROUTE, "no table", 1 + number)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What a process leaves that was stopped, one that was killed, and an older file."""
    folder = tmp_path_factory.mktemp("archive")
    path = folder / "running" / FILES[0]
    with closing(DeadLetterArchive(path)) as archive:
        for number in range(LETTERS):
            archive.accept(NAME, number, [letter(number)])
            if number == LETTERS // 2:
                shutil.copytree(path.parent, folder / "older")
                archive._file._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        archive.mark_replayed([letter(3).id], 77)
        shutil.copytree(path.parent, folder / "killed")
    shutil.copytree(path.parent, folder / "stopped")
    return {state: folder / state for state in ("older", "killed", "stopped")}


@pytest.fixture
def outcomes() -> Iterator[list[str]]:
    found: list[str] = []

    def note(_kind: str, outcome: str) -> None:
        found.append(outcome)

    damage.observe(note)
    yield found
    damage._observers.remove(note)


@damages_of(FILES)
def test_every_damage_of_every_file(
    files: dict[str, Path], tmp_path: Path, outcomes: list[str], file: str, change: Damage
) -> None:
    for state, region, seed in itertools.product(("stopped", "killed"), REGIONS, seeds()):
        folder = tmp_path / f"{state}-{region}-{seed}"
        shutil.copytree(files[state], folder)
        if not (folder / file).exists():
            continue
        outcomes.clear()
        change(folder / file, region, random.Random(f"{file}{region}{seed}"), files["older"] / file)
        what = (state, file, change.__name__, region, seed)

        with closing(DeadLetterArchive(folder / FILES[0])) as archive:
            kept = archive.list(limit=1_000)
            position = archive.next_offset(NAME) or 0
            archive.accept(NAME, 9_999, [letter(9_999)])
        with closing(DeadLetterArchive(folder / FILES[0])) as archive:
            again = {one.letter.id for one in archive.list(limit=1_000)}

        assert [one for one in kept if one.letter != letter(int(one.letter.id[3:]))] == [], what
        assert {one.letter.id for one in kept if one.replayed_ns == 77} <= {"id:3"}, what
        assert again == {one.letter.id for one in kept} | {"id:9999"}, what
        # what is missing is told, or comes again from the log, which is trimmed up to the position
        there = {int(one.letter.id[3:]) for one in kept}
        assert "lost" in outcomes or set(range(position)) <= there, what
        shutil.rmtree(folder)


def test_one_flipped_bit_of_a_row_is_repaired_also_in_the_wal(
    files: dict[str, Path], tmp_path: Path, outcomes: list[str]
) -> None:
    for state, name in (("stopped", FILES[0]), ("killed", FILES[1])):
        folder = tmp_path / state
        shutil.copytree(files[state], folder)
        data = bytearray((folder / name).read_bytes())
        data[data.rindex(letter(100).payload) + 7] ^= 2
        (folder / name).write_bytes(data)

        with closing(DeadLetterArchive(folder / FILES[0])) as archive:
            assert len(archive.list(limit=1_000)) == LETTERS

    assert set(outcomes) == {"repaired"}
