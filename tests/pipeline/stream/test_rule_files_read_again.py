"""The rule files on this machine: read again when they change, all or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Config
from pipeline.stream import rule_files
from pipeline.stream.rule_files import RuleFiles, read_rules
from rules import RuleFileError

RULES = """\
groups:
  - name: {name}
    table: farm.air
    rules:
      - alert: Hot
        measure: temperature
        range: {{max: 30}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.yaml").write_text(RULES.format(name="a"))
    return tmp_path


def files_of(folder: Path) -> RuleFiles:
    return RuleFiles(Config.model_validate({"rules": [f"{folder}/*.yaml"]}))


def names(files: RuleFiles) -> list[str]:
    return [rule.name for rule in files.rules.rules]


def test_files_that_do_not_change_are_not_read_again(folder: Path) -> None:
    files = files_of(folder)

    assert [files.poll() for _ in range(3)] == [False] * 3


def test_a_change_is_read_when_it_was_seen_twice_because_an_editor_may_still_write(folder: Path) -> None:
    files = files_of(folder)
    (folder / "a.yaml").write_text("groups:\n")
    first = files.poll()
    (folder / "a.yaml").write_text(RULES.format(name="longer"))

    assert (first, files.poll(), files.poll(), files.poll()) == (False, False, True, False)
    assert names(files) == ["longer/Hot"]


def test_files_that_are_added_and_removed_are_changes(folder: Path) -> None:
    files = files_of(folder)
    (folder / "b.yaml").write_text(RULES.format(name="b"))
    added = [files.poll(), files.poll()]
    both = names(files)
    (folder / "a.yaml").unlink()

    assert (added, both) == ([False, True], ["a/Hot", "b/Hot"])
    assert ([files.poll(), files.poll()], names(files)) == ([False, True], ["b/Hot"])


def test_a_problem_in_one_file_changes_nothing_and_is_told_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = files_of(folder)
    before = files.generation
    (folder / "a.yaml").write_text(RULES.format(name="other"))
    (folder / "b.yaml").write_text("groups: 7\n")

    assert [files.poll() for _ in range(4)] == [False] * 4
    assert (files.generation, names(files)) == (before, ["a/Hot"])
    assert [record.getMessage().count("b.yaml:1") for record in caplog.records] == [1]
    with pytest.raises(RuleFileError, match=r"b\.yaml:1"):
        files.read_again()


def test_a_change_while_they_are_read_is_not_missed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = files_of(folder)

    def read_and_edit(*given: Any) -> Any:
        found = read_rules(*given)
        (folder / "a.yaml").write_text(RULES.format(name="later"))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(rule_files, "read_rules", read_and_edit)
        files.read_again()

    assert (names(files), [files.poll(), files.poll()], names(files)) == (["a/Hot"], [False, True], ["later/Hot"])


def test_files_that_say_the_same_are_not_new(folder: Path) -> None:
    files = files_of(folder)
    (folder / "a.yaml").write_text(RULES.format(name="a"))

    assert files.read_again() is False


def test_expected_devices_are_refused_where_no_worker_sees_all(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    silent = "missing: {after: 1m, expect: [{s: a}]}"
    file.write_text(RULES.format(name="a").replace("measure: temperature\n        range: {max: 30}", silent))

    assert len(read_rules([file])[1]) == 1
    with pytest.raises(RuleFileError, match="rule a/Hot: `expect` needs a log with one partition, this one has 4"):
        read_rules([file], 4)


def test_files_for_other_accounts_alone_are_shown_to_the_default_account_only(folder: Path) -> None:
    (folder / "b.yaml").write_text(RULES.format(name="b") + "        where: {account: [farm-8, farm-9]}\n")
    files = files_of(folder)
    shown = {account: [Path(file).name for file, _ in files.shown_to(account)] for account in ("farm-7", "farm-8")}

    assert shown == {"farm-7": ["a.yaml"], "farm-8": ["a.yaml", "b.yaml"]}
    assert files.shown_to("default") == list(files.generation.files)
