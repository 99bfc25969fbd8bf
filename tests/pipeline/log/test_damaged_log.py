"""A log of which files are damaged while nobody uses it: nothing false is read, nothing is lost without a word."""

from __future__ import annotations

import itertools
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.log.embedded.folder import open_folder
from pipeline.log.embedded.topic_file import TopicFile
from pipeline.log.log import Damaged
from pipeline.log.topics import READINGS
from store.objects import damage
from tests.support.damages import REGIONS, Damage, damages_of, seeds

MESSAGES = 60
FILES = ("readings.sqlite", "readings.sqlite-wal", "readings.end", "log.json", "log.json.copy", "readings.sqlite-shm")


def value(offset: int) -> bytes:
    """Values of one page, and of several."""
    return random.Random(offset).randbytes((60, 5_000, 40_000)[offset % 3])


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Logs as processes leave them: after a stop, and after a kill, with most messages in the WAL."""
    folder = tmp_path_factory.mktemp("logs")
    stopped, killed, older = folder / "stopped", folder / "killed", folder / "older"
    running = open_folder(folder / "running")
    with closing(TopicFile(running, READINGS)) as topic:
        topic.append([(0, value(offset)) for offset in range(20)])
        while topic.trim_step(0, 5):
            pass
        topic.checkpoint("TRUNCATE")
        topic.append([(0, value(offset)) for offset in range(20, 30)])
        shutil.copytree(running.path, older)
        for offset in range(30, MESSAGES):
            topic.append([(0, value(offset))])
        shutil.copytree(running.path, killed)
    shutil.copytree(running.path, stopped)
    return {"stopped": stopped, "killed": killed, "older": older}


@pytest.fixture
def reports() -> Iterator[Counter[str]]:
    """The number of reports of damage by outcome."""
    found: Counter[str] = Counter()

    def count(_kind: str, outcome: str) -> None:
        found[outcome] += 1

    damage.observe(count)
    yield found
    damage._observers.remove(count)


def assert_is_true(path: Path, reports: Counter[str], what: object) -> None:
    """What is read is what was appended, or said to be damaged or lost; nothing that comes later is mistaken for it."""
    with closing(TopicFile(open_folder(path), READINGS)) as topic:
        read = topic.read(0, 0, 1_000, 1 << 30)
        extent = topic.extent(0)
        (offset,) = topic.append([(0, b"next")])
    whole = [message for message in read if not isinstance(message.value, Damaged)]
    assert [message for message in whole if message.value != value(message.offset)] == [], what
    assert offset >= MESSAGES, what
    assert {message.offset for message in read} <= set(range(5, MESSAGES)), what
    assert extent.first == extent.next_offset or read[-1].offset == extent.next_offset - 1, "a reader comes to the end"
    if len(whole) < MESSAGES - 5:
        assert reports["lost"] or len(read) == MESSAGES - 5, what
    with closing(TopicFile(open_folder(path), READINGS)) as topic:  # and again
        assert [message.value for message in topic.read(0, offset, 9, 99)] == [b"next"]


@damages_of(FILES)
def test_every_damage_of_every_file(
    logs: dict[str, Path], tmp_path: Path, reports: Counter[str], file: str, change: Damage
) -> None:
    for state, region, seed in itertools.product(("stopped", "killed"), REGIONS, seeds()):
        path = tmp_path / f"{state}-{region}-{seed}"
        shutil.copytree(logs[state], path)
        if not (path / file).exists():
            continue
        reports.clear()
        change(path / file, region, random.Random(f"{file}{region}{seed}"), logs["older"] / file)
        assert_is_true(path, reports, (state, file, change.__name__, region, seed))
        shutil.rmtree(path)


@pytest.mark.parametrize(("name", "state"), [("readings.sqlite-wal", "killed"), ("readings.sqlite", "stopped")])
def test_one_flipped_bit_in_a_message_is_repaired(
    logs: dict[str, Path], tmp_path: Path, reports: Counter[str], name: str, state: str
) -> None:
    path = tmp_path / "log"
    shutil.copytree(logs[state], path)
    data = bytearray((path / name).read_bytes())
    data[data.rindex(value(40)[1000:1100])] ^= 4
    (path / name).write_bytes(data)

    with closing(TopicFile(open_folder(path), READINGS)) as topic:
        assert [message.value for message in topic.read(0, 0, 99, 1 << 30)] == [value(n) for n in range(5, MESSAGES)]

    assert set(reports) == {"repaired"}


def test_a_message_damaged_in_two_bits_keeps_its_bytes(logs: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "log"
    shutil.copytree(logs["stopped"], path)
    data = bytearray((path / "readings.sqlite").read_bytes())
    at = data.rindex(value(42))
    data[at] ^= 1
    data[at + 9] ^= 1
    (path / "readings.sqlite").write_bytes(data)

    with closing(TopicFile(open_folder(path), READINGS)) as topic:
        (message,) = topic.read(0, 42, 1, 1)

    assert isinstance(message.value, Damaged)
    assert message.value == data[at : at + 60]
