"""The rule state of one partition and its saved form: one snapshot per block, each with the position that it covers.

A pass saves every block, one at a time. The *low watermark* is the position of the engine when the last complete pass
began: the saved state covers every frame below it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from pipeline.base import metrics
from pipeline.stream.rule_state.keep import RuleKeep
from rules import Engine, RuleSnapshotError, Transition, to_event
from store.objects.damage import Outcome, report
from store.record import TableId

log = logging.getLogger(__name__)

# A restart evaluates again what was evaluated since the last pass.
SAVE_AFTER_S = 15.0
SAVE_ROWS = 200_000


class RuleState:
    """An engine whose state is saved. Used only by the worker's event loop, except for `load`."""

    def __init__(self, engine: Engine, keep: RuleKeep) -> None:
        self.engine = engine
        self.changing = asyncio.Lock()  # held from a batch's evaluation until its alerts are durable
        self._keep = keep
        self._ended: list[Transition] = []  # not appended yet: until then, the saved state does not change
        self._useless: list[TableId] = []
        self._next: int | None = None
        self._rows = 0  # evaluated since the last pass that was due
        self._saved_s: float | None = None
        self.low_watermark = 0  # the saved state covers frames below this offset

    def load(self, former: RuleKeep | None = None) -> None:
        """Load the saved state; before the first complete pass also that of `former`, whose log is lost.

        A state that this program cannot read is logged, and its block starts empty. The state of a block without rules
        is removed, so that a rule which is added again later does not use an old state. Alerts whose rules were removed
        or changed are to be resolved (`tell_ended`).
        """
        self.low_watermark = self._keep.low_watermark()
        if not self.low_watermark and former is not None:
            self._keep.inherit(former)
        for block in filter(self.engine.judges, self._keep.missing()):
            report("rule state", f"that of {block} is missing: its rules start with empty state", Outcome.LOST)
        for block, data, where in self._keep.blocks():
            try:
                self._ended += self.engine.restore(block, data)
            except RuleSnapshotError as error:
                log.warning("the rules of %s start with empty state: %s: %s", block, where, error)
            if block not in self.engine.blocks():
                self._useless.append(block)
        if not self._ended:
            self._remove_useless()

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
        if self._rows >= SAVE_ROWS or now_s - self._saved_s >= SAVE_AFTER_S:
            self._rows, self._saved_s = 0, now_s
            await self.save_pass()

    async def save_pass(self) -> None:
        """Save every block once, one at a time, then move the low watermark."""
        if self._ended:
            return  # if the state were saved now, these alerts would never be resolved
        began_s = time.perf_counter()
        reached = self._next
        for block in list(self.engine.blocks()):
            async with self.changing:
                data = self.engine.snapshot(block)
                covered = self.engine.positions(block).get(self._keep.partition_id, -1)
            await asyncio.to_thread(self._keep.save, block, data, covered)
        if reached is not None and reached != self.low_watermark:
            await asyncio.to_thread(self._keep.save_low_watermark, reached)
            self.low_watermark = reached
        metrics.rules_save_seconds.observe(time.perf_counter() - began_s)
