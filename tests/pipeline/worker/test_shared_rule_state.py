"""The state of rules that an owner leaves for the next one, beside a magnetic tier that workers share."""

from __future__ import annotations

from pathlib import Path

from pipeline.stream.rule_state.shared import RuleObjects
from store.objects.keep import StreamKeep
from store.objects.objects import open_objects
from store.record import TableId

STREAM = "0123456789abcdef/readings/2"
BLOCK = TableId("a.b", "farm", "cli/mate")


def keep(folder: Path) -> RuleObjects:
    """As another process opens it."""
    return RuleObjects(StreamKeep(open_objects(str(folder)), STREAM), STREAM)


def test_the_next_owner_finds_what_the_last_one_saved(tmp_path: Path) -> None:
    before = keep(tmp_path)
    before.save(BLOCK, b"pending", 41)
    before.save_floors({STREAM: 42, "another/readings/0": 7})

    after = keep(tmp_path)

    assert [(block, data) for block, data, _ in after.blocks()] == [(BLOCK, b"pending")]
    assert after.floors() == {STREAM: 42}


def test_a_former_owner_that_saves_late_changes_nothing(tmp_path: Path) -> None:
    """It was paused; its successor has come further meanwhile."""
    former, successor = keep(tmp_path), keep(tmp_path)
    former.save(BLOCK, b"first", 10)
    successor.save(BLOCK, b"further", 90)
    successor.save_floors({STREAM: 91})

    former.save(BLOCK, b"late", 20)
    former.save_floors({STREAM: 21})

    assert [data for _, data, _ in keep(tmp_path).blocks()] == [b"further"]
    assert keep(tmp_path).floors() == {STREAM: 91}


def test_nothing_is_there_at_first_and_nothing_after_it_was_removed(tmp_path: Path) -> None:
    rules = keep(tmp_path)
    at_first = (list(rules.blocks()), rules.floors())
    rules.save(BLOCK, b"state", 0)
    rules.remove(BLOCK)

    assert at_first == ([], {})
    assert list(keep(tmp_path).blocks()) == []


def test_a_state_that_has_seen_nothing_is_not_saved(tmp_path: Path) -> None:
    rules = keep(tmp_path)
    rules.save(BLOCK, b"empty", -1)

    assert list(rules.blocks()) == []


def test_where_a_state_lies_is_told(tmp_path: Path) -> None:
    rules = keep(tmp_path)
    rules.save(BLOCK, b"damaged", 3)
    ((_, _, where),) = rules.blocks()

    assert where.startswith(STREAM)
