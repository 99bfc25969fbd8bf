"""The rules' state on disk: saved, taken up again, with a floor below which the log is not needed."""

from pathlib import Path

import orjson
import pytest

from pipeline.log.frame import Frame, FrameKind
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.normalise.routes import Route
from pipeline.stream.normalise.templates import TopicTemplate
from pipeline.stream.rule_state import RuleFiles, RuleState
from pipeline.stream.rule_state.files import FLOORS
from rules import Engine, load_rules
from rules.transition import Transition
from store.record import SeriesRegistry

STREAM = "0123456789abcdef/readings/0"
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


class Rules:
    """A rule state over `folder`, and readings for it."""

    def __init__(self, folder: Path, rules: str = RULES) -> None:
        file = folder / "rules.yaml"
        file.write_text(rules)
        registry = SeriesRegistry()
        self.state = RuleState(Engine(load_rules([file]), registry), RuleFiles(folder / "state"))
        self.state.load()
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
        self.state.evaluated(STREAM, offset)
        return found


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


async def test_the_floor_is_what_had_been_evaluated_when_the_pass_began(tmp_path: Path) -> None:
    rules = Rules(tmp_path)
    rules.read(0, 1000, 20)
    unsaved = rules.state.floor(STREAM)
    await rules.state.save_pass()
    rules.read(1, 1001, 20)

    assert (unsaved, rules.state.floor(STREAM)) == (0, 1)
    assert Rules(tmp_path).state.floor(STREAM) == 1


async def test_what_is_evaluated_while_a_pass_runs_is_not_below_its_floor(
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

    assert rules.state.floor(STREAM) == 1


async def test_a_damaged_state_is_reported_and_its_block_starts_afresh(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = Rules(tmp_path)
    before.read(0, 1000, 35)
    await before.state.save_pass()
    (file,) = (tmp_path / "state").glob("*/*/*.state")
    file.write_bytes(file.read_bytes()[:10])

    after = Rules(tmp_path)

    assert "the rules of a.b/farm.cli/mate start with empty state" in caplog.text
    assert str(file) in caplog.text
    assert after.read(1, 1060, 36) == []  # pending from here on


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"s": "x"}'])
async def test_damaged_floors_are_reported_and_everything_is_read_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    before = Rules(tmp_path)
    before.read(5, 1000, 35)
    await before.state.save_pass()
    (tmp_path / "state" / FLOORS).write_bytes(damage)

    after = Rules(tmp_path)

    assert after.state.floor(STREAM) == 0
    assert "the rules are evaluated for the whole log" in caplog.text
    assert [transition.status for transition in after.read(6, 1060, 36)] == ["firing"]


async def test_the_state_of_a_table_without_rules_goes(tmp_path: Path) -> None:
    """A rule that comes back later must not take up what was true long before."""
    before = Rules(tmp_path)
    before.read(0, 1000, 35)
    await before.state.save_pass()

    Rules(tmp_path, RULES.replace("cli/mate", "soil"))

    assert list((tmp_path / "state").glob("*/*/*.state")) == []


async def test_the_end_of_a_removed_rules_alert_is_told_before_its_state_goes(tmp_path: Path) -> None:
    """However often the process ends in between."""
    now = RULES.replace("        for: 60s\n", "")
    before = Rules(tmp_path, now)
    before.read(0, 1000, 35)
    await before.state.save_pass()
    told: list[bytes] = []

    async def append(value: bytes) -> None:
        told.append(value)

    for _ in range(2):
        untold = Rules(tmp_path, now.replace("cli/mate", "soil"))
        await untold.state.save_pass()
    await untold.state.tell_ended(append)
    await untold.state.tell_ended(append)
    await untold.state.save_pass()
    await Rules(tmp_path, now.replace("cli/mate", "soil")).state.tell_ended(append)

    (value,) = told
    (event,) = orjson.loads(value)
    assert (event["event"]["type"], event["event"]["data"]["reason"]) == ("alert.resolved", "rule_changed")
    assert list((tmp_path / "state").glob("*/*/*.state")) == []


async def test_names_of_accounts_and_tables_cannot_leave_the_folder(tmp_path: Path) -> None:
    rules = Rules(tmp_path)
    rules.read(0, 1000, 20)
    await rules.state.save_pass()

    assert [str(file.relative_to(tmp_path / "state")) for file in (tmp_path / "state").glob("*/*/*.state")] == [
        "a%2Eb/farm/cli%2Fmate.state"
    ]
