"""The rules' state on disk: saved, taken up again, with a low watermark below which the log is not needed."""

import secrets
from pathlib import Path

import msgspec
import pytest

from pipeline.log.feedback import Feedback, Verdict
from pipeline.log.frame import Frame, FrameKind
from pipeline.log.generation import Generation
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.normalise.routes import Route
from pipeline.stream.normalise.templates import TopicTemplate
from pipeline.stream.rule_files import read_rules
from pipeline.stream.rule_state import RuleKeep, RuleState
from pipeline.stream.rule_state.keep import LOW_WATERMARK, kind_of
from pipeline.stream.rule_state.state import SAVE_ROWS
from rules import Engine
from rules.alerts.transition import Transition
from rules.kinds.detector import DetectorJudge
from store.objects.objects import open_objects
from store.record import SeriesRegistry, TableId
from store.state.partition_state import PartitionState

STREAM = "0123456789abcdef/readings/0"
BLOCK = TableId("a.b", "farm", "cli/mate")
NS = 1_000_000_000
RULES = """\
groups:
  - name: g
    table: farm.cli/mate
    rules:
      - alert: Hot
        measure: temperature
        range: {max: 30}
        for: 60s
"""


def keep_in(folder: Path) -> RuleKeep:
    """As another process opens it."""
    return RuleKeep(PartitionState(open_objects(str(folder / "state")), STREAM), STREAM)


def saved(folder: Path, kind: str) -> list[Path]:
    """The files of what is kept of a kind."""
    return list((folder / "state" / "state" / STREAM / kind).iterdir())


class Rules:
    """A rule state over `folder`, and readings for it."""

    def __init__(self, folder: Path, rules: str = RULES) -> None:
        file = folder / "rules.yaml"
        file.write_text(rules)
        registry = SeriesRegistry()
        self.generation, found = read_rules([file])
        self.state = RuleState(Engine(found, registry), keep_in(folder))
        self.state.load(self.generation)
        route = Route("farm", "cli/mate", TopicTemplate("farm/{sensor}"))
        self._normaliser = Normaliser([route], registry, STREAM)

    def read(self, offset: int, time_s: int, temperature: float) -> list[Transition]:
        payload = b'{"temperature": %f}' % temperature
        frame = Frame(1, FrameKind.MQTT, [time_s * NS], ["a.b"], ["farm/s1"], [payload])
        found = [
            transition
            for batch in self._normaliser.normalise(frame, offset).batches
            for transition in self.state.engine.evaluate(batch)
        ]
        self.state.evaluated(offset)
        return found

    def feedback(self) -> dict[str, tuple[int, int]]:
        """What its only rule, a detector, was told."""
        ((_, watch),) = self.state.engine.watches()
        assert isinstance(watch.judge, DetectorJudge)
        return watch.judge.feedback.counts()


async def test_a_pending_rule_fires_once_across_a_restart(tmp_path: Path) -> None:
    before = Rules(tmp_path)
    fired = before.read(0, 1000, 35)
    await before.state.save_pass()

    after = Rules(tmp_path)
    again = after.read(0, 1000, 35)  # the log repeats what was saved
    fires = after.read(1, 1060, 36)
    more = after.read(2, 1061, 36)

    assert (fired, again, more) == ([], [], [])
    assert [transition.status for transition in fires] == ["firing"]


async def test_feedback_in_the_log_counts_once_and_after_a_restart(tmp_path: Path) -> None:
    """Also if the log repeats what was saved; for a rule that there is not it means nothing."""
    detector = RULES.replace("range: {max: 30}\n        for: 60s", "detector: auto")
    before = Rules(tmp_path, detector)
    word = Feedback("a.b", "farm", "cli/mate", "g/Hot", "north", "a1", Verdict.FALSE, 7)
    before.read(0, 1000, 20)
    told = [await before.state.take(word, 1), await before.state.take(msgspec.structs.replace(word, rule="g/No"), 2)]
    before.state.evaluated(2)
    await before.state.save_pass()

    after = Rules(tmp_path, detector)
    restored = after.feedback()
    told.append(await after.state.take(msgspec.structs.replace(word, verdict=Verdict.RIGHT), 1))
    repeated = after.feedback()
    told.append(await after.state.take(msgspec.structs.replace(word, alert_id="a2"), 3))

    assert told == [[], [], [], []]
    assert restored == repeated == {"north": (1, 0)}
    assert after.feedback() == {"north": (2, 0)}


async def test_the_low_watermark_is_what_had_been_evaluated_when_the_pass_began(tmp_path: Path) -> None:
    rules = Rules(tmp_path)
    rules.read(0, 1000, 20)
    unsaved = rules.state.low_watermark
    await rules.state.save_pass()
    rules.read(1, 1001, 20)

    assert (unsaved, rules.state.low_watermark) == (0, 1)
    assert Rules(tmp_path).state.low_watermark == 1


async def test_what_is_evaluated_while_a_pass_runs_is_not_below_its_low_watermark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block saved early in the pass has not seen it."""
    rules = Rules(tmp_path)
    rules.read(0, 1000, 20)
    original = rules.state.engine.snapshot

    def snapshot(block: object) -> bytes:
        data = original(block)  # type: ignore[arg-type]
        rules.read(1, 1001, 20)
        return data

    monkeypatch.setattr(rules.state.engine, "snapshot", snapshot)
    await rules.state.save_pass()

    assert rules.state.low_watermark == 1


async def test_a_damaged_state_is_reported_and_its_block_starts_afresh(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = Rules(tmp_path)
    before.read(0, 1000, 35)
    await before.state.save_pass()
    (file,) = saved(tmp_path, kind_of(BLOCK))
    file.write_bytes(file.read_bytes()[:10])

    after = Rules(tmp_path)

    assert "the rules of a.b/farm.cli/mate start with empty state" in caplog.text
    assert f"{STREAM}/{kind_of(BLOCK)}" in caplog.text
    assert after.read(1, 1060, 36) == []  # pending from here on


@pytest.mark.parametrize("damage", [b"", b"{"])
async def test_a_damaged_low_watermark_is_reported_and_everything_is_read_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    before = Rules(tmp_path)
    before.read(5, 1000, 35)
    await before.state.save_pass()
    (file,) = saved(tmp_path, LOW_WATERMARK)
    file.write_bytes(damage)

    after = Rules(tmp_path)

    assert after.state.low_watermark == 0
    assert "the rules are evaluated for the whole log" in caplog.text
    assert [transition.status for transition in after.read(6, 1060, 36)] == ["firing"]


async def test_the_end_of_a_removed_rules_alert_is_told_before_its_state_goes(tmp_path: Path) -> None:
    """However often the process ends in between; a rule that comes back later takes nothing up."""
    now = RULES.replace("        for: 60s\n", "")
    before = Rules(tmp_path, now)
    (fired,) = before.read(0, 1000, 35)
    await before.state.save_pass()
    told: list[Transition] = []

    for _ in range(2):
        after = Rules(tmp_path, now.replace("cli/mate", "soil"))
        told += await after.state.take(after.generation, 1)
    after.state.evaluated(1)
    await after.state.save_pass()

    assert [(ended.id, ended.status, ended.reason) for ended in told] == [(fired.id, "resolved", "rule_changed")] * 2
    assert list(keep_in(tmp_path).blocks()) == []


async def test_frames_before_new_rules_are_judged_by_the_old_ones_however_late(tmp_path: Path) -> None:
    """The files say something else at the restart, but the log does not yet."""
    hot = RULES.replace("        for: 60s\n", "")
    before = Rules(tmp_path, hot)
    await before.state.save_pass()

    after = Rules(tmp_path, hot.replace("30", "40"))
    by_the_old = after.read(0, 1000, 35)
    ended = await after.state.take(after.generation, 1)
    after.state.evaluated(1)
    by_the_new = after.read(2, 1001, 36)

    assert [found.bounds for found in by_the_old] == [{"max": 30}]
    assert [(found.id, found.reason) for found in ended] == [(by_the_old[0].id, "rule_changed")]
    assert by_the_new == []


async def test_rules_of_another_version_that_mean_nothing_here_hold_up_no_start(tmp_path: Path) -> None:
    before = Rules(tmp_path)
    keep_in(tmp_path).save_generations([(3, Generation((("r.yaml", "groups: [{of: tomorrow}]"),)))])

    after = Rules(tmp_path)

    assert after.state.generation != before.state.generation, "the owner puts its own into force"
    assert after.state.engine.judges(BLOCK)


async def test_state_saved_under_newer_rules_is_not_changed_by_them_again(tmp_path: Path) -> None:
    """The block is ahead of the low watermark, from which the log is read again."""
    hot = RULES.replace("        for: 60s\n", "")
    before = Rules(tmp_path, RULES)
    before.read(0, 1000, 20)
    await before.state.save_pass()
    changed = Rules(tmp_path, hot)
    await changed.state.take(changed.generation, 1)
    changed.state.evaluated(1)
    (fired,) = changed.read(2, 1001, 35)
    block = changed.state.engine.snapshot(BLOCK)
    keep_in(tmp_path).save(BLOCK, block, 2)

    again = Rules(tmp_path, hot)
    ended = await again.state.take(again.generation, 1)
    again.state.evaluated(1)
    repeated = again.read(2, 1001, 35)
    (resolved,) = again.read(3, 1002, 20)

    assert (ended, repeated) == ([], [])
    assert (resolved.id, resolved.status) == (fired.id, "resolved")


async def test_names_of_accounts_and_tables_cannot_leave_the_folder(tmp_path: Path) -> None:
    rules = Rules(tmp_path)
    rules.read(0, 1000, 20)
    await rules.state.save_pass()

    assert len(saved(tmp_path, "rules/blocks/a%2Eb/farm/cli%2Fmate")) == 1


def test_the_next_owner_finds_what_the_last_one_saved(tmp_path: Path) -> None:
    before = keep_in(tmp_path)
    before.save(BLOCK, b"pending", 41)
    before.save_low_watermark(42)

    after = keep_in(tmp_path)

    assert [(block, offset, data) for block, offset, data, _ in after.blocks()] == [(BLOCK, 41, b"pending")]
    assert after.low_watermark() == 42


def test_a_former_owner_that_saves_late_changes_nothing(tmp_path: Path) -> None:
    """It was paused; its successor has come further meanwhile."""
    former, successor = keep_in(tmp_path), keep_in(tmp_path)
    former.save(BLOCK, b"first", 10)
    successor.save(BLOCK, b"further", 90)
    successor.save_low_watermark(91)

    former.save(BLOCK, b"late", 20)
    former.save_low_watermark(21)

    assert [data for _, _, data, _ in keep_in(tmp_path).blocks()] == [b"further"]
    assert keep_in(tmp_path).low_watermark() == 91


def test_nothing_is_there_at_first_and_nothing_after_it_was_removed(tmp_path: Path) -> None:
    rules = keep_in(tmp_path)
    at_first = (list(rules.blocks()), rules.low_watermark())
    rules.save(BLOCK, b"state", 0)
    rules.remove(BLOCK)

    assert at_first == ([], 0)
    assert list(keep_in(tmp_path).blocks()) == []


def test_a_state_that_has_seen_nothing_is_not_saved(tmp_path: Path) -> None:
    rules = keep_in(tmp_path)
    rules.save(BLOCK, b"empty", -1)

    assert list(rules.blocks()) == []


def test_where_a_state_lies_is_told(tmp_path: Path) -> None:
    rules = keep_in(tmp_path)
    rules.save(BLOCK, b"damaged", 3)
    ((*_, where),) = rules.blocks()

    assert where.startswith(STREAM)


async def test_a_pass_is_due_after_some_time_or_after_many_rows(tmp_path: Path) -> None:
    rules = Rules(tmp_path)
    saved = []
    for at, (now_s, rows) in enumerate(
        [(100.0, 0), (114.9, 0), (115.0, 0), (116.0, SAVE_ROWS - 1), (117.0, 1), (118.0, 0)]
    ):
        rules.read(at, 1000 + at, 20)
        rules.state.evaluated(at, rows)
        await rules.state.save_when_due(now_s)
        saved.append(rules.state.low_watermark)

    assert saved == [0, 0, 3, 3, 5, 5]


async def test_a_large_state_is_saved_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the rate of writing, at it, and beyond it; rows do not make it more often."""
    rules = Rules(tmp_path)
    monkeypatch.setattr(rules.state.engine, "snapshot", lambda _: secrets.token_bytes(1000))
    monkeypatch.setattr("pipeline.stream.rule_state.state.SAVE_BYTES_PER_S", 50)
    saved = []
    for at, now_s in enumerate([100.0, 115.0, 134.9, 135.5, 140.0, 155.4, 156.1]):
        rules.read(at, 1000 + at, 20)
        rules.state.evaluated(at, SAVE_ROWS if now_s > 100 else 0)
        await rules.state.save_when_due(now_s)
        saved.append(rules.state.low_watermark)

    assert saved == [0, 2, 2, 4, 4, 4, 7]
