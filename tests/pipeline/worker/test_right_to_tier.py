"""With the embedded log one data_dir writes a magnetic tier: a second one would answer without its rows."""

import json
import re
import shutil
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.base.errors import ConfigError, DataDirLocked
from pipeline.config import Config
from pipeline.worker.tier_owner import data_dir_id, right_to_tier
from store.objects.checksum import SIZE
from store.objects.objects import open_objects
from tests.support.s3_server import S3Server

ALONE: Any = SimpleNamespace(others_take_over=False)
ONE_OF_SEVERAL: Any = SimpleNamespace(others_take_over=True)


def config_of(folder: Path, name: str, tier: str | None = None) -> Config:
    (folder / name).mkdir(exist_ok=True)
    return Config.model_validate({"data_dir": folder / name, "magnetic": {"url": tier or f"{folder}/tier"}})


def has_right(config: Config, admin: Any = ALONE) -> bool:
    with suppress(DataDirLocked, ConfigError), right_to_tier(config, admin):
        return True
    return False


@pytest.mark.parametrize("admin", [ALONE, ONE_OF_SEVERAL])
def test_while_one_worker_runs_another_is_refused_unless_their_log_says_that_they_are_several(
    tmp_path: Path, admin: Any
) -> None:
    with right_to_tier(config_of(tmp_path, "a"), admin):
        assert has_right(config_of(tmp_path, "b"), admin) is admin.others_take_over


def test_a_copy_of_a_data_dir_is_refused_while_the_original_runs_and_may_take_its_place(tmp_path: Path) -> None:
    one = config_of(tmp_path, "a")
    data_dir_id(one.layout)
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    copy = config_of(tmp_path, "copy")
    with right_to_tier(one, ALONE):
        meanwhile = has_right(copy)

    assert (meanwhile, has_right(copy)) == (False, True)


def test_a_tier_stays_that_of_its_first_data_dir_and_the_refusal_says_who_since_when_and_how_to_change_it(
    tmp_path: Path,
) -> None:
    assert has_right(config_of(tmp_path, "a"))
    owner = tmp_path / "tier" / "_streamgauge" / "owner"
    since = json.loads(owner.read_bytes()[:-SIZE])["since"]

    told = rf"belongs to another data_dir: {tmp_path}/a on .* since {since}.*delete {re.escape(str(owner))} and start"
    with pytest.raises(ConfigError, match=told), right_to_tier(config_of(tmp_path, "b"), ALONE):
        pass
    assert has_right(config_of(tmp_path, "a"))
    owner.unlink()
    assert has_right(config_of(tmp_path, "b"))
    assert not has_right(config_of(tmp_path, "a"))


@pytest.mark.parametrize("damaged", [b"", b"[]", b"{}", b"\xff"])
def test_a_damaged_owner_object_is_refused_with_the_remedy(tmp_path: Path, damaged: bytes) -> None:
    config = config_of(tmp_path, "a")
    assert has_right(config)
    owner = tmp_path / "tier" / "_streamgauge" / "owner"
    owner.write_bytes(damaged)

    with pytest.raises(ConfigError, match=f"damaged.*delete {re.escape(str(owner))}"), right_to_tier(config, ALONE):
        pass


def test_a_bucket_belongs_to_one_data_dir_too(tmp_path: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    s3.make_bucket("owned")
    tier = "s3://owned/history"
    assert has_right(config_of(tmp_path, "a", tier))

    with (
        pytest.raises(ConfigError, match=r"s3://owned/history belongs .*delete s3://owned/history/_streamgauge/owner"),
        right_to_tier(config_of(tmp_path, "b", tier), ALONE),
    ):
        pass
    assert has_right(config_of(tmp_path, "a", tier))
    open_objects(f"{tier}/_streamgauge", s3.environment).delete("owner")
    assert has_right(config_of(tmp_path, "b", tier))
