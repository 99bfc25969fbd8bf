"""Damage to messages of the log. Every damage to every file: `tests/damage`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.log.embedded.folder import open_folder
from pipeline.log.embedded.topic_file import TopicFile
from pipeline.log.log import Damaged
from pipeline.log.topics import READINGS
from tests.damage.log import FIRST, MESSAGES, Log, value
from tests.support.damages import observed


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Logs as processes leave them: after a stop, and after a kill, with most messages in the WAL."""
    return Log().make(tmp_path_factory.mktemp("logs"))


@pytest.fixture
def reports() -> Iterator[list[tuple[str, str]]]:
    with observed() as found:
        yield found


@pytest.mark.parametrize(("name", "state"), [("readings.sqlite-wal", "killed"), ("readings.sqlite", "stopped")])
def test_one_flipped_bit_in_a_message_is_repaired(
    logs: Mapping[str, Path], tmp_path: Path, reports: list[tuple[str, str]], name: str, state: str
) -> None:
    path = tmp_path / "log"
    shutil.copytree(logs[state], path)
    data = bytearray((path / name).read_bytes())
    data[data.rindex(value(40)[1000:1100])] ^= 4
    (path / name).write_bytes(data)

    with closing(TopicFile(open_folder(path), READINGS)) as topic:
        assert [message.value for message in topic.read(0, 0, 99, 1 << 30)] == [
            value(n) for n in range(FIRST, MESSAGES)
        ]

    assert {outcome for _, outcome in reports} == {"repaired"}


def test_a_message_damaged_in_two_bits_keeps_its_bytes(logs: Mapping[str, Path], tmp_path: Path) -> None:
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
