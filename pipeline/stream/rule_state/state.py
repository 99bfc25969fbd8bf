"""The rule state of one partition and its saved form: one snapshot per block, each with the position that it covers.

A pass saves every block, one at a time. The *low watermark* is the position of the engine when the last complete pass
began: the saved state covers every frame below it.

Which rules are in force is part of the state: those that the log said last (`pipeline.log.generation`), whatever the
rule files say now. The texts are saved, because a replay from the low watermark begins with them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from pipeline.base import metrics
from pipeline.log.feedback import Feedback, Verdict
from pipeline.log.forgetting import Forget
from pipeline.log.generation import Generation
from pipeline.log.tick import Tick
from pipeline.stream.rule_state.keep import Generations, RuleKeep
from pipeline.stream.words import Word
from rules import Engine, RuleFileError, RuleSet, RuleSnapshotError, Transition, rules_of, to_event
from rules.kinds.feedback import Mark
from rules.values.listening import Listened
from store.objects.damage import Outcome, report
from store.record import TableId

log = logging.getLogger(__name__)

# A restart evaluates again what was evaluated since the last pass.
SAVE_AFTER_S = 15.0
SAVE_ROWS = 200_000
SAVE_BYTES_PER_S = 8_000_000
"""A large state is saved less often, so that no more is written: the log shares the disk, and devices wait for it."""


class RuleState:
    """An engine whose state is saved. Used only by the worker's event loop, except for `load`."""

    def __init__(self, engine: Engine, keep: RuleKeep) -> None:
        self.engine = engine
        self.changing = asyncio.Lock()  # held from a batch's evaluation until its alerts are durable
        self._keep = keep
        self._ended: list[Transition] = []  # not appended yet: until then, the saved state does not change
        self._useless: list[TableId] = []
        self._ruleless: list[TableId] = []  # whose state is needed until the low watermark has passed their last rules
        self._generations: Generations = []
        self.asked: str | None = None  # the id of rules that were appended, and are not in force yet
        self._next: int | None = None
        self._rows = 0  # evaluated since the last pass that was due
        self._saved_s: float | None = None
        self._rest_s = 0.0  # from the begin of a pass to the next one, at least
        self.low_watermark = 0  # the saved state covers frames below this offset

    def load(self, wanted: Generation, former: RuleKeep | None = None) -> None:
        """Load the saved state; before the first complete pass also that of `former`, whose log is lost.

        If it is not known which rules were in force, it is `wanted`: then alerts of other rules are to be resolved
        (`tell_ended`). A state that this program cannot read is logged, and its block starts empty. The state of a
        block without rules is removed, so that a rule which is added again later does not use an old state.
        """
        self.low_watermark = self._keep.low_watermark()
        if not self.low_watermark and former is not None:
            self._keep.inherit(former)
        self._generations = self._keep.generations()
        if not self._generations:
            self._generations = [(-1, wanted)]
            self._keep.save_generations(self._generations)
        self._wanted = wanted
        self.engine.begin(self._rules_at(self.low_watermark - 1), self._keep.clock)
        for block in filter(self.engine.judges, self._keep.missing()):
            report("rule state", f"that of {block} is missing: its rules start with empty state", Outcome.LOST)
        for block, offset, data, where in self._keep.blocks():
            try:
                self._ended += self.engine.restore(block, data, self._rules_at(offset))
            except RuleSnapshotError as error:
                log.warning("the rules of %s start with empty state: %s: %s", block, where, error)
            if block not in self.engine.blocks():
                self._useless.append(block)
        if not self._ended:
            self._remove_useless()

    @property
    def generation(self) -> str:
        """The id of the rules that are in force, or will be when the log is replayed."""
        return self._generations[-1][1].id

    async def take(self, word: Word, offset: int) -> list[Transition]:
        """What the word at `offset` changes, behind everything before it."""
        partition = self._keep.partition_id
        if isinstance(word, Tick):
            return self.engine.tick(partition, offset, Listened(word.listener, word.from_ns, word.to_ns, word.is_last))
        if isinstance(word, Forget):
            table = TableId(word.account, word.database, word.table)
            return self.engine.forget(partition, offset, table, word.dimensions, word.at_ns)
        if isinstance(word, Feedback):
            table = TableId(word.account, word.database, word.table)
            mark = Mark(word.rule, word.zone, word.alert_id, word.verdict is Verdict.FALSE)
            self.engine.mark(partition, offset, table, mark)
            return []
        try:
            rules = rules_of(word.files)
        except RuleFileError as error:
            log.warning("rules that another version has put in force are not valid here; those before stay: %s", error)
            return []
        if offset > self._generations[-1][0]:
            # what is not needed for a replay from the low watermark is left out
            needed = self._place_of(self.low_watermark - 1)
            self._generations = [*self._generations[needed:], (offset, word)]
            await asyncio.to_thread(self._keep.save_generations, self._generations)
        self.asked = None
        ended, gone = self.engine.replace(rules, partition, offset)
        self._ruleless += gone
        return ended

    def _place_of(self, offset: int) -> int:
        """The index of the generation that was in force at `offset`, or of the oldest."""
        return max(bisect_right([begins for begins, _ in self._generations], offset) - 1, 0)

    def _rules_at(self, offset: int) -> RuleSet:
        _, generation = self._generations[self._place_of(offset)]
        try:
            return rules_of(generation.files)
        except RuleFileError as error:
            log.warning("rules that another version put in force are not valid here; those of now count: %s", error)
            return rules_of(self._wanted.files)

    async def tell_ended(self, append: Callable[[bytes], Awaitable[Any]]) -> None:
        """Append resolved events of alerts that no rule judges any more to [alerts]; called about each second."""
        async with self.changing:
            gone, ended = self.engine.forget_deleted()
            self._useless += gone
            self._ended += ended
            if self._ended:
                await append(orjson.dumps([to_event(transition) for transition in self._ended]))
        for transition in self._ended:
            metrics.alerts.labels(transition.status).inc()
            log.warning(
                "an alert of %s on %s that fired is resolved (%s)", transition.rule, transition.table, transition.reason
            )
        self._ended = []
        if self._useless:
            await asyncio.to_thread(self._remove_useless)

    def _remove_useless(self) -> None:
        for block in self._useless:
            if block not in self.engine.blocks():
                self._keep.remove(block)
        self._useless = []

    def evaluated(self, offset: int, rows: int = 0) -> None:
        """Everything up to and including `offset` has been evaluated, `rows` more, and its alerts are in the log."""
        self._next = offset + 1
        self._rows += rows
        self.engine.advance(self._keep.partition_id, offset)

    async def save_when_due(self, now_s: float) -> None:
        """Save everything if enough has been evaluated, or enough time has passed; called about each second."""
        if self._saved_s is None:
            self._saved_s = now_s
        since_s = now_s - self._saved_s
        if since_s >= self._rest_s and (self._rows >= SAVE_ROWS or since_s >= SAVE_AFTER_S):
            self._rows, self._saved_s = 0, now_s
            self._rest_s = await self.save_pass() / SAVE_BYTES_PER_S

    async def save_pass(self) -> int:
        """Save every block once, one at a time, then move the low watermark. Returns how many bytes the blocks took."""
        if self._ended:
            return 0  # if the state were saved now, these alerts would never be resolved
        written = 0
        began_s = time.perf_counter()
        reached, clock, ruleless = self._next, self.engine.clock.copy(), self._ruleless
        for block in list(self.engine.blocks()):
            async with self.changing:
                data = self.engine.snapshot(block)
                covered = self.engine.positions(block).get(self._keep.partition_id, -1)
            written += await asyncio.to_thread(self._keep.save, block, data, covered)
        if reached is not None and reached != self.low_watermark:
            await asyncio.to_thread(self._keep.save_low_watermark, reached, clock)
            self.low_watermark = reached
        self._ruleless = self._ruleless[len(ruleless) :]
        self._useless += ruleless
        await asyncio.to_thread(self._remove_useless)
        metrics.rules_save_seconds.observe(time.perf_counter() - began_s)
        return written
