"""A partition that its former owner saved and trimmed during the load is loaded again, before a loss is reported."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.base.layout import prepare
from pipeline.config.load import load_config
from pipeline.log import open_admin
from pipeline.log.embedded.folder import folder_of, open_folder
from pipeline.log.embedded.topic_file import TopicFile
from pipeline.log.frame import FrameKind, encode_frame
from pipeline.log.generation import Generation
from pipeline.log.log import LogAdmin
from pipeline.log.topics import READINGS
from pipeline.stream.partitions import manager
from pipeline.stream.partitions.manager import PartitionManager

FRAMES, TRIMMED = 5, 3


@pytest.fixture
def loading(tmp_path: Path) -> Iterator[tuple[PartitionManager, LogAdmin]]:
    """A manager, and a log whose first frames are trimmed."""
    (tmp_path / "streamgauge.yaml").write_text("data_dir: data\n")
    config = load_config(tmp_path / "streamgauge.yaml")
    prepare(config.layout)
    folder = open_folder(folder_of(config.log_settings.url))
    with closing(TopicFile(folder, READINGS)) as topic:
        topic.append([(0, encode_frame(FrameKind.MQTT, [n], ["a"], ["t"], [b"{}"])) for n in range(FRAMES)])
    with closing(open_admin(config.log_settings)) as admin:
        admin.trim(READINGS, TRIMMED)
        with closing(PartitionManager(config, admin, Generation(()))) as made:
            yield made, admin


@pytest.mark.parametrize(
    ("starts", "loads"),
    [
        ([0, TRIMMED], 2),  # what was saved meanwhile is found
        ([0, 1, FRAMES], 3),
        ([0, 0], 2),  # nobody saved anything: the log has lost messages
        ([TRIMMED], 1),
        ([None], 1),
    ],
)
def test_it_is_loaded_until_its_start_is_in_the_log_or_stays(
    loading: tuple[PartitionManager, LogAdmin],
    monkeypatch: pytest.MonkeyPatch,
    starts: list[int | None],
    loads: int,
) -> None:
    partitions, admin = loading
    assert admin.extent(READINGS).first == TRIMMED
    loaded = []
    left = iter(starts)
    monkeypatch.setattr(manager, "start_offset", lambda store, *_: loaded.append(store) or next(left))

    asyncio.run(partitions.assigned({0}))

    assert len(loaded) == loads
    (partition,) = partitions.owned
    assert partition.store is loaded[-1]
    assert partitions.store.stores() == [loaded[-1]]
