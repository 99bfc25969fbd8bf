"""What `backup` and `restore` refuse, and a data_dir that nobody uses, there and back."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.base.errors import DataDirError, DataDirLocked
from pipeline.base.layout import mark_restoring, mode_for_others, prepare
from pipeline.base.lock import sole
from pipeline.config import Config
from pipeline.log import open_admin
from pipeline.operations.backup import making
from pipeline.operations.backup.making import make_backup
from pipeline.operations.backup.restoring import restore
from pipeline.operations.cli.backup_progress import Lines
from pipeline.operations.cli.group import run
from pipeline.worker.tier_owner import own_tier
from store.backup.place import Place
from store.errors import BackupError
from store.objects.file_lock import FileLock


@pytest.fixture(autouse=True)
def _as_nice_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "NICENESS", 0)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The configuration of a data_dir in which a worker was once."""
    made = Config(data_dir=tmp_path / "data")
    prepare(made.layout)
    own_tier(made)
    with closing(open_admin(made.log_settings)) as admin:
        admin.extent("readings")
    return made


def test_a_data_dir_comes_back_with_its_id_and_its_log(config: Config, tmp_path: Path) -> None:
    place, manifest, _ = make_backup(config, str(tmp_path / "backups"), Lines())
    other = Config(data_dir=tmp_path / "other")

    restored = restore(other, place, place.newest(), Lines())

    assert restored == manifest
    assert {entry.path for entry in manifest.files} >= {"id", "log/log.json", "log/readings.sqlite"}
    prepare(other.layout)
    own_tier(other)
    with closing(open_admin(config.log_settings)) as one, closing(open_admin(other.log_settings)) as two:
        assert one.log_id == two.log_id


def test_a_restore_needs_an_empty_data_dir(config: Config, tmp_path: Path) -> None:
    place, _, _ = make_backup(config, str(tmp_path / "backups"), Lines())
    name = place.newest()

    with pytest.raises(DataDirError, match=r"is not empty: it has format.json\. A backup is restored into an empty"):
        restore(config, place, name, Lines())
    with sole(config.layout.worker_lock), pytest.raises(DataDirError, match=r"is in use, .* and is not empty"):
        restore(config, place, name, Lines())
    elsewhere = Config.model_validate({"data_dir": tmp_path / "new", "magnetic": {"url": str(config.layout.magnetic)}})
    with pytest.raises(BackupError, match="is not empty: a magnetic tier is restored into an empty folder or prefix"):
        restore(elsewhere, place, name, Lines())


def test_nothing_starts_on_an_unfinished_restore_and_another_backup_is_not_mixed_into_it(
    config: Config, tmp_path: Path
) -> None:
    place, _, _ = make_backup(config, str(tmp_path / "backups"), Lines())
    other = Config(data_dir=tmp_path / "other")
    other.layout.data_dir.mkdir()
    mark_restoring(other.layout, "20200101T000000.000Z")

    with pytest.raises(DataDirError, match=r"a restore of the backup 20200101T000000\.000Z did not finish here"):
        prepare(other.layout)
    with pytest.raises(DataDirError, match=r"a restore of the backup .* did not finish here"):
        make_backup(other, str(tmp_path / "more"), Lines())
    with pytest.raises(DataDirError, match=r"the restore of another backup, 20200101T000000\.000Z, did not finish"):
        restore(other, place, place.newest(), Lines())
    mark_restoring(other.layout, place.newest())
    restore(other, place, place.newest(), Lines())
    prepare(other.layout)


def test_a_backup_is_kept_elsewhere_and_made_of_something(config: Config, tmp_path: Path) -> None:
    inside, around = str(config.layout.data_dir / "backups"), str(config.layout.data_dir.parent)
    for place in (inside, around):
        with pytest.raises(BackupError, match="are in each other: keep backups elsewhere"):
            make_backup(config, place, Lines())
    with pytest.raises(DataDirError, match="is no data_dir: there is nothing to back up"):
        make_backup(Config(data_dir=tmp_path / "nothing"), str(tmp_path / "backups"), Lines())


def test_each_data_dir_has_a_place_of_its_own(config: Config, tmp_path: Path) -> None:
    """Else `--keep` of one removes the backups of the other, and the newest backup is anybody's."""
    place, _, _ = make_backup(config, str(tmp_path / "backups"), Lines())
    other, again = Config(data_dir=tmp_path / "other"), Config(data_dir=tmp_path / "again")
    prepare(other.layout)
    own_tier(other)
    restore(again, place, place.newest(), Lines())

    with pytest.raises(BackupError, match=r"has backups of another data_dir, whose id is \w+"):
        make_backup(other, str(tmp_path / "backups"), Lines())
    make_backup(again, str(tmp_path / "backups"), Lines())

    assert len(place.names()) == 2


def test_a_restore_is_kept_apart_from_backups_and_from_other_users(config: Config, tmp_path: Path) -> None:
    place, _, _ = make_backup(config, str(tmp_path / "backups"), Lines())
    inside, beside = Config(data_dir=tmp_path / "backups" / "data"), Config(data_dir=tmp_path / "beside")

    with pytest.raises(BackupError, match="are in each other: keep backups elsewhere"):
        restore(inside, place, place.newest(), Lines())
    restore(beside, place, place.newest(), Lines())

    assert not inside.data_dir.exists()
    assert mode_for_others(beside.data_dir) is None


def test_a_file_is_no_data_dir(config: Config, tmp_path: Path) -> None:
    place, _, _ = make_backup(config, str(tmp_path / "backups"), Lines())
    (tmp_path / "file").write_text("")
    file = Config(data_dir=tmp_path / "file")

    with pytest.raises(DataDirError, match="file cannot be read: Not a directory"):
        restore(file, place, place.newest(), Lines())
    with pytest.raises(DataDirError, match="file cannot be read: Not a directory"):
        make_backup(file, str(tmp_path / "more"), Lines())


def test_one_backup_at_a_time_and_none_while_the_log_is_trimmed(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "TRIM_TIMEOUT_S", 0.1)

    with sole(config.layout.backup_lock), pytest.raises(DataDirLocked, match="runs `streamgauge backup` on it"):
        make_backup(config, str(tmp_path / "backups"), Lines())
    with FileLock(config.layout.trim_lock), pytest.raises(DataDirLocked, match="for more than 0 s"):
        make_backup(config, str(tmp_path / "backups"), Lines())
    assert Place(str(tmp_path / "backups")).names() == []


def test_the_log_must_be_of_the_kind_of_then(config: Config, tmp_path: Path) -> None:
    place, _, _ = make_backup(config, str(tmp_path / "backups"), Lines())
    other = Config.model_validate({"data_dir": tmp_path / "other", "log": "kafka://localhost:9"})

    with pytest.raises(BackupError, match="whose log was embedded; `log` of this configuration is kafka"):
        restore(other, place, place.newest(), Lines())


def test_the_commands_list_verify_prune_and_say_what_is_wrong(
    config: Config, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    place, options = str(tmp_path / "backups"), ("--data-dir", str(config.data_dir))

    assert run(["backup", place, *options]) == 0
    assert run(["backup", place, "--keep", "1", *options]) == 0
    assert "removed 1 older backups, and " in capfd.readouterr().out
    assert run(["backup", place, "--list", "--format", "json"]) == 0
    (listed,) = json.loads(capfd.readouterr().out)["backups"]
    assert listed["log"] == "embedded"
    assert run(["backup", place, "--verify", "--at", listed["at"]]) == 0
    assert "is whole: " in capfd.readouterr().out
    assert run(["restore", place, "--at", "2020-01-01T00:00:00Z", "--data-dir", str(tmp_path / "new")]) == 1
    assert "has no backup of 2020-01-01T00:00:00.000Z or before: the oldest backup is 20" in capfd.readouterr().err
    assert run(["restore", place, "--data-dir", str(tmp_path / "new")]) == 0
    assert f"is as it was at {listed['at']}" in capfd.readouterr().out
    (missing,) = [path for path in Path(place).rglob("*") if path.is_file() and len(path.name) == 64][:1]
    missing.unlink()
    assert run(["backup", place, "--verify"]) == 1
    assert f"{missing.name} is missing, the content of " in capfd.readouterr().out
    assert run(["restore", place, "--data-dir", str(tmp_path / "newer")]) == 1
    assert "1 files of the backup of " in capfd.readouterr().err
    assert run(["backup", place, "--list", "--verify"]) == 2
