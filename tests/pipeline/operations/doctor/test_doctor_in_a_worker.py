"""The doctor within a worker: what the configuration says now, or that it is wrong."""

from __future__ import annotations

from pathlib import Path

from pipeline.base.errors import ConfigError
from pipeline.config import Config
from pipeline.operations.doctor.running import findings_of


def test_a_configuration_that_became_wrong_is_a_finding_and_the_old_one_is_examined(tmp_path: Path) -> None:
    running = Config.model_validate({"data_dir": tmp_path / "running"})

    def again() -> Config:
        raise ConfigError("a.yaml:1: htp: not a key\na.yaml:2: rules: not a list")

    found = findings_of(running, again)

    assert [one["what"] for one in found if one["level"] == "fail" and one["check"] == "settings"] == [
        "a.yaml:1: htp: not a key",
        "a.yaml:2: rules: not a list",
    ]
    assert all(one["remedy"] for one in found if one["level"] != "ok")
    assert [one["what"] for one in found if one["check"] == "data_dir"] == [
        f"{tmp_path / 'running'} is not there yet; the first start makes it"
    ]


def test_what_the_configuration_says_now_is_examined_but_not_the_ports_of_who_runs(tmp_path: Path) -> None:
    now = Config.model_validate({"data_dir": tmp_path / "now"})

    found = findings_of(Config.model_validate({"data_dir": tmp_path / "before"}), lambda: now)

    assert [one["what"] for one in found if one["check"] == "data_dir"] == [
        f"{tmp_path / 'now'} is not there yet; the first start makes it"
    ]
    assert "ports" not in {one["check"] for one in found}
