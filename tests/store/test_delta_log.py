from pathlib import Path

import pytest

from store import delta_log


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (b"", False),
        (b"\n", False),
        (b'{"add":{}}\n{"txn":', False),
        (b'{"add":{}}\n{"txn":{}}', True),
        (b'{"add":{}}\n{"txn":{}}\n', True),
    ],
)
def test_a_commit_is_whole_when_each_line_is_an_action(data: bytes, whole: bool) -> None:
    assert delta_log.is_whole_commit(data) is whole


def test_damaged_last_commits_are_set_aside_and_whole_ones_stay(tmp_path: Path) -> None:
    log = tmp_path / "_delta_log"
    log.mkdir()
    for number, data in enumerate([b'{"add":{}}', b'{"add":{}}', b"{", b""]):
        (log / f"{number:020d}.json").write_bytes(data)
    (log / f"{1:020d}.checkpoint.parquet").write_bytes(b"PAR1 cut off")
    (log / "_last_checkpoint").write_bytes(b'{"version":1}')

    delta_log.mend(tmp_path)

    assert sorted(path.name for path in log.iterdir()) == [f"{0:020d}.json", f"{1:020d}.json"]
    assert len(list((tmp_path / "_set_aside").iterdir())) == 4
