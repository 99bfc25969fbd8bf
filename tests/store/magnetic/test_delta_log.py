import errno
from contextlib import nullcontext
from pathlib import Path

import pytest

from store.magnetic import delta_log
from store.objects.files import make_folders

ADD = b'{"add":{"path":"date=2026-11-29/a.parquet","size":7}}'


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (b"", False),
        (b"\n", False),
        (ADD + b'\n{"txn":', False),
        (ADD + b'\n{"txn":{"appId":"s","version":1}}', True),
        (ADD + b'\n{"txn":{"appId":"s","version":1}}\n', True),
        (ADD + b'\n{"txn":{"appHd":"s","version":1}}\n', False),  # a bit has changed
        (ADD.replace(b"add", b"adf"), False),
        (ADD + b"\n[]", False),
    ],
)
def test_a_commit_is_whole_when_each_line_is_an_action(data: bytes, whole: bool) -> None:
    assert delta_log.is_whole_commit(data) is whole


def test_damaged_last_commits_are_set_aside_and_whole_ones_stay(tmp_path: Path) -> None:
    log = tmp_path / "_delta_log"
    log.mkdir()
    (tmp_path / "date=2026-11-29").mkdir()
    (tmp_path / "date=2026-11-29" / "a.parquet").touch()
    for number, data in enumerate([ADD, ADD, ADD.replace(b"/a.", b"/c."), b"{", b""]):
        (log / f"{number:020d}.json").write_bytes(data)
    (log / f"{1:020d}.checkpoint.parquet").write_bytes(b"PAR1 cut off")
    (log / "_last_checkpoint").write_bytes(b'{"version":1}')

    delta_log.repair(tmp_path)

    assert sorted(path.name for path in log.iterdir()) == [f"{0:020d}.json", f"{1:020d}.json"]
    assert len(list((tmp_path / "_set_aside").iterdir())) == 5


@pytest.mark.parametrize(("failures", "is_there"), [(0, True), (1, True), (2, False)])
def test_a_commit_whose_fsync_failed_is_written_again_or_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int, is_there: bool
) -> None:
    log = tmp_path / "_delta_log"
    log.mkdir()
    commit = log / f"{0:020d}.json"
    commit.write_bytes(ADD)
    written = commit.stat().st_ino
    left = iter([True] * failures)

    def sync(_: int) -> None:
        if next(left, False):
            raise OSError(errno.EIO, "Input/output error")

    make_folders(log)  # its name is durable
    monkeypatch.setattr("os.fsync", sync)
    with pytest.raises(OSError, match=commit.name) if failures > 1 else nullcontext():
        delta_log.sync_own(tmp_path, 0)

    assert commit.exists() is is_there
    if is_there:
        assert commit.read_bytes() == ADD
        assert (commit.stat().st_ino == written) is (failures == 0)


@pytest.mark.parametrize("hint", [b'{"version":1}', b'{"version":', b"[]", b""])
def test_a_hint_at_a_checkpoint_that_is_not_there_is_set_aside(tmp_path: Path, hint: bytes) -> None:
    """The hint became durable, and the checkpoint that was written before it did not."""
    log = tmp_path / "_delta_log"
    log.mkdir()
    (log / f"{0:020d}.json").write_bytes(b'{"commitInfo":{}}')
    (log / "_last_checkpoint").write_bytes(hint)

    assert delta_log.repair(tmp_path) == ["_last_checkpoint"]
