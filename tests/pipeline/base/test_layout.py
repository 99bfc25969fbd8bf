from __future__ import annotations

import json
import shlex
import stat
from pathlib import Path

import pytest

from pipeline.base.errors import DataDirError
from pipeline.base.layout import FORMAT_VERSION, FORMER_VERSION, Layout, prepare


def test_a_new_data_dir_says_its_format_and_is_taken_again(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "new" / "data")

    prepare(layout)
    prepare(layout)

    assert json.loads(layout.format.read_text())["format_version"] == FORMAT_VERSION
    assert layout.metrics.is_dir()


@pytest.mark.parametrize("mode", [None, 0o755, 0o750, 0o701, 0o700])
def test_a_data_dir_is_for_its_owner_alone_also_if_it_was_wider(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int | None
) -> None:
    layout = Layout(tmp_path / "data")
    if mode is not None:
        layout.data_dir.mkdir()
        layout.data_dir.chmod(mode)
    caplog.set_level("INFO")

    prepare(layout)

    assert stat.S_IMODE(layout.data_dir.stat().st_mode) == 0o700
    assert len(caplog.messages) == (mode not in {None, 0o700})


def test_a_newer_data_dir_is_refused_and_left_alone(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.format.write_text(json.dumps({"format_version": FORMAT_VERSION + 1}))

    with pytest.raises(DataDirError, match=f"has format version {FORMAT_VERSION + 1}; this streamgauge reads"):
        prepare(layout)

    assert [path.name for path in tmp_path.iterdir()] == ["format.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format_version": "1"}', '{"format_version": 3}', "\x00"])
@pytest.mark.parametrize("version", [FORMER_VERSION, FORMAT_VERSION])
def test_a_damaged_format_file_without_a_copy_is_refused_with_the_command_that_helps(
    tmp_path: Path, text: str, version: int
) -> None:
    layout = Layout(tmp_path / "a data_dir")
    layout.data_dir.mkdir()
    if version == FORMER_VERSION:
        layout.former_store.mkdir()
    layout.format.write_text(text)

    with pytest.raises(DataDirError) as refused:
        prepare(layout)
    command, source, target = shlex.split(str(refused.value).split("`")[1])
    assert command == "mv"
    Path(source).rename(target)
    prepare(layout)

    assert json.loads(layout.format.read_text())["format_version"] == version
    assert layout.format.with_name("format.json.damaged").read_text() == text


def test_a_data_dir_that_cannot_be_made_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(DataDirError, match=r"cannot be used: Not a directory|File exists"):
        prepare(Layout(tmp_path / "file" / "data"))


def test_a_format_that_was_lost_beside_what_format_1_had_is_put_back(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.former_store.mkdir()

    prepare(layout)

    assert json.loads(layout.format.read_text())["format_version"] == FORMER_VERSION
