"""What rule files may say, and what is said about those that are wrong."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from rules import RuleFileError, load_rules
from rules.definition.bands import Limits
from rules.definition.bounds import Bounds
from rules.definition.level import Hold, Level
from rules.kinds.range import Range
from rules.kinds.rate_of_change import RateOfChange
from store.record import TableId

FILES = Path(__file__).parent / "files"
LIBRARY = Path(__file__).parents[2] / "rules" / "library"


@pytest.mark.parametrize("path", sorted((FILES / "bad").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_problem_of_a_file_is_told_with_its_line(path: Path) -> None:
    with pytest.raises(RuleFileError) as caught:
        load_rules([path])

    told = str(caught.value).replace(f"{path.parent}/", "").splitlines()
    assert told == path.with_suffix(".txt").read_text().splitlines()


def test_a_good_file_becomes_rules() -> None:
    rules = load_rules([FILES / "good" / "everything.yaml"]).rules

    assert [rule.name for rule in rules] == [
        "greenhouse-climate/TooHot",
        "greenhouse-climate/HeatingRunaway",
        "outdoors/Storm",
    ]
    hot, runaway, storm = rules
    assert hot.condition == Range()
    assert hot.levels == (Level(Limits(Bounds(5, 32), Bounds(5, 30)), hold=Hold(120 * 10**9)),)
    assert hot.where == {"region": {"eu-west", "eu-north"}, "floor": {"007"}, "account": {"farm-7"}}
    assert hot.labels == {"severity": "warning", "page": "on"}
    assert runaway.condition == RateOfChange(timedelta(minutes=1))
    assert storm.table == "agriculture.weather.v2"


def test_a_bound_that_clear_leaves_out_is_the_conditions_own() -> None:
    hot = load_rules([FILES / "good" / "everything.yaml"]).rules[0]

    assert hot.levels[0].limits.clear == Bounds(5, 30)


def test_problems_of_all_files_are_told_together(tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("groups: # °".encode("latin-1"))

    with pytest.raises(RuleFileError) as caught:
        load_rules([missing, latin, FILES / "bad" / "empty.yaml"])

    assert [problem.message for problem in caught.value.problems] == [
        "cannot be read: No such file or directory",
        "cannot be read: not UTF-8",
        "the file is empty; it needs `groups`",
    ]


def test_a_group_name_stands_in_one_file_only(tmp_path: Path) -> None:
    good = FILES / "good" / "everything.yaml"
    copy = tmp_path / "copy.yaml"
    copy.write_bytes(good.read_bytes())

    with pytest.raises(RuleFileError, match=r"copy\.yaml: group outdoors is already in .*everything\.yaml"):
        load_rules([good, copy])


def test_a_table_that_is_not_configured_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(RuleFileError) as caught:
        load_rules([FILES / "good" / "everything.yaml"], tables=["agriculture.readings", "agriculture.weather"])

    (problem,) = caught.value.problems
    assert problem.line == 15
    assert problem.message.endswith("unknown table `agriculture.weather.v2`; did you mean `agriculture.weather`?")


def test_rules_hold_for_their_table_in_the_accounts_they_admit() -> None:
    rules = load_rules([FILES / "good" / "everything.yaml"])

    assert [rule.alert for rule in rules.of(TableId("farm-7", "agriculture", "readings"))] == [
        "TooHot",
        "HeatingRunaway",
    ]
    assert [rule.alert for rule in rules.of(TableId("farm-8", "agriculture", "readings"))] == ["HeatingRunaway"]
    assert not rules.of(TableId("farm-7", "agriculture", "weather"))


def test_words_about_a_rule_do_not_change_its_definition_and_what_decides_does(tmp_path: Path) -> None:
    text = (FILES / "good" / "everything.yaml").read_text()

    def definition(old: str, new: str) -> str:
        assert old in text
        file = tmp_path / "changed.yaml"
        file.write_text(text.replace(old, new))
        return load_rules([file]).rules[0].definition

    same = definition("TooHot", "TooHot")
    assert definition("warning", "critical") == same
    assert definition("°C", "degrees") == same
    assert definition("for: 2m", "for: 3m") != same
    assert definition("min: 5", "min: 4") != same
    assert definition("3.0e1", "31") != same
    assert definition("eu-north", "eu-south") != same
    assert definition("TooHot", "Hot") != same


@pytest.mark.parametrize("path", sorted(LIBRARY.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_rule_files_that_come_along_are_good(path: Path) -> None:
    assert len(load_rules([path])) > 0


ODD_TEXTS = ["[" * 5000, "a: &a [*a]", "\x00", "groups: &g\n  - *g\n", "? [a]\n: b\n", "- 1", "42"]


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_no_text_whatever_raises_anything_else(tmp_path: Path, text: str) -> None:
    file = tmp_path / "odd.yaml"
    file.write_text(text)

    with pytest.raises(RuleFileError):
        load_rules([file])
