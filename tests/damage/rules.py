"""The state of rules of a partition: blocks, and the low watermark."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

from pipeline.log.frame import Frame, FrameKind
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.normalise.routes import Route
from pipeline.stream.normalise.templates import TopicTemplate
from pipeline.stream.rule_files import read_rules
from pipeline.stream.rule_state import RuleKeep, RuleState
from rules import Engine
from store.objects.objects import open_objects
from store.objects.sealed import SealedObjects
from store.record import SeriesRegistry
from store.state.partition_state import PartitionState

STREAM = "0123456789abcdef/readings/0"
NS = 1_000_000_000
RULES = """\
groups:
  - name: g
    table: farm.climate
    rules: [{alert: Hot, measure: temperature, range: {max: 30}, for: 60s}]
"""
SAVED, END = 6, 12  # offsets: the state was saved before the first; the log ends before the second
STATE = f"state/{STREAM}/rules"


class RuleStates:
    """See `Subject`. Every signal is beyond its bound from offset 0 on, and fires after that of the last pass."""

    kinds: Mapping[str, str] = {
        "state of rules": f"{STATE}/blocks/*/*/*/*",
        "low watermark of rules": f"{STATE}/floor/*",
    }

    def make(self, folder: Path) -> Mapping[str, Path]:
        """Saved twice."""
        running = folder / "killed"
        running.mkdir()
        (running / "rules.yaml").write_text(RULES)
        state = self._opened(running)
        self._read(state, 0, 3)
        asyncio.run(state.save_pass())
        shutil.copytree(running, folder / "older")
        self._read(state, 3, SAVED)
        asyncio.run(state.save_pass())
        return {"killed": running, "older": folder / "older"}

    def is_whole(self, folder: Path) -> bool:
        """The alert fires when it should, once; after lost state later, or not at all."""
        found = []
        for _ in range(2):
            state = self._opened(folder)
            found.append(self._read(state, state.low_watermark, END))
        assert found[0] == found[1]
        assert found[0] in ([7], [])
        return found[0] == [7]

    def _opened(self, folder: Path) -> RuleState:
        objects = SealedObjects(open_objects(str(folder)))
        keep = RuleKeep(PartitionState(objects, STREAM), STREAM)
        generation, rules = read_rules([folder / "rules.yaml"])
        state = RuleState(Engine(rules, SeriesRegistry()), keep)
        state.load(generation)
        return state

    def _read(self, state: RuleState, first: int, end: int) -> list[int]:
        """Evaluate the log from `first` on; the offsets at which an alert fires."""
        route = Route("farm", "climate", TopicTemplate("farm/{sensor}"))
        normaliser = Normaliser([route], state.engine._registry, STREAM)
        fires = []
        for offset in range(first, end):
            frame = Frame(1, FrameKind.MQTT, [(offset * 9 + 1) * NS], ["a"], ["farm/s1"], [b'{"temperature": 35}'])
            for batch in normaliser.normalise(frame, offset).batches:
                fires += [offset for transition in state.engine.evaluate(batch) if transition.status == "firing"]
            state.evaluated(offset)
        return fires
