"""Where in the log a start is: what came before it came under the configuration of before."""

import contextlib
from pathlib import Path

import pytest

from pipeline.log import open_admin
from pipeline.log.embedded.folder import folder_of, open_folder
from pipeline.log.embedded.topic_file import TopicFile
from pipeline.log.frame import FrameKind, encode_frame
from pipeline.log.settings import LogSettings
from pipeline.log.topics import READINGS

T0 = 1_795_000_000_000_000_000


@pytest.mark.parametrize(("time_ns", "first"), [(T0 - 1, 0), (T0, 0), (T0 + 1, 1), (T0 + 20, 2), (T0 + 21, 3)])
def test_the_first_frame_that_came_at_a_time_or_later(tmp_path: Path, time_ns: int, first: int) -> None:
    """The next one of all where none did."""
    settings = LogSettings(url=f"local://{tmp_path}/log")
    with contextlib.closing(TopicFile(open_folder(folder_of(settings.url)), READINGS)) as file:
        for arrival_ns in (T0, T0 + 10, T0 + 20):
            file.append([(0, encode_frame(FrameKind.MQTT, [arrival_ns], ["default"], ["t"], [b"1"]))])

    with contextlib.closing(open_admin(settings)) as admin:
        assert admin.first_since(READINGS, time_ns) == first


def test_an_empty_log_begins_at_its_next_offset(tmp_path: Path) -> None:
    with contextlib.closing(open_admin(LogSettings(url=f"local://{tmp_path}/log"))) as admin:
        assert admin.first_since(READINGS, T0) == 0
