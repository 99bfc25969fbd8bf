"""What a watch of files tells."""

from pathlib import Path

import pytest

from pipeline.log.embedded.watch import FileWatch, watch


def test_it_tells_which_files_were_written_since_the_last_time(tmp_path: Path) -> None:
    files = [tmp_path / name for name in "abc"]
    for file in files:
        file.write_text("-")
    watched = FileWatch(files)

    for text in ("1", "2"):
        files[0].write_text(text)
    files[2].write_text("3")

    assert watched.take() == {files[0], files[2]}
    assert watched.take() == set()
    watched.close()


def test_a_file_that_cannot_be_watched_means_no_watch(tmp_path: Path) -> None:
    assert watch([tmp_path / "missing"]) is None


def test_when_the_system_lost_events_every_file_may_have_been_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a"
    file.touch()
    watched = FileWatch([file])

    monkeypatch.setattr(
        "os.read", lambda *_: (-1).to_bytes(4, "little", signed=True) + (0x4000).to_bytes(4, "little") + bytes(8)
    )

    assert watched.take() == {file}
    watched.close()
