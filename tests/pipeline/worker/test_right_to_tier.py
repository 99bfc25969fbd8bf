"""Workers on different logs do not write one magnetic tier: neither would answer with what the other has in RAM."""

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.base.errors import DataDirLocked
from pipeline.config import Config
from pipeline.worker.worker import right_to_tier


def has_right(config: Config, *, others_take_over: bool) -> bool:
    admin: Any = SimpleNamespace(others_take_over=others_take_over)
    with contextlib.suppress(DataDirLocked), right_to_tier(config, admin):
        return True
    return False


@pytest.mark.parametrize("others_take_over", [False, True])
def test_a_folder_has_one_worker_unless_their_log_says_that_they_are_several(
    tmp_path: Path, others_take_over: bool
) -> None:
    admin: Any = SimpleNamespace(others_take_over=others_take_over)
    one, other = (
        Config.model_validate({"data_dir": tmp_path / name, "magnetic": {"url": f"{tmp_path}/tier"}}) for name in "ab"
    )
    with right_to_tier(one, admin):
        meanwhile = has_right(other, others_take_over=others_take_over)

    assert meanwhile is others_take_over
    assert has_right(other, others_take_over=False)
