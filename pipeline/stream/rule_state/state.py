"""The rules' state of one partition, and where it is kept: one snapshot per block, each with the position it covers.

A pass saves every block, one at a time. The *low watermark* is how far the engine had come when the last whole pass
began: every frame below it is covered by what is kept.
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
from store.record import TableId

log = logging.getLogger(__name__)


class RuleState:
    """An engine with its state kept. Used by the worker's event loop only, but for `load`."""

    def __init__(self, engine: Engine, keep: RuleKeep) -> None:
        self.engine = engine
        self.changing = asyncio.Lock()  # held from a batch's evaluation until its alerts are durable
        self._keep = keep
        self._ended: list[Transition] = []  # not told yet: until then, what is kept stays as it is
        self._useless: list[TableId] = []
        self._next: int | None = None
        self.low_watermark = 0  # frames below this offset are covered by what is saved

    def load(self, former: RuleKeep | None = None) -> None:
        """Take up what is kept; before a pass was saved whole, also of `former`, whose log is gone.

        What this program cannot read is reported, and its block starts afresh; what is kept of a block without rules
        goes, so that a rule which comes back later does not take up an old state. Alerts whose rules are not there any
        more, or are others, are to be told as resolved (`tell_ended`).
        """
        self.low_watermark = self._keep.low_watermark()
        if not self.low_watermark and former is not None:
            self._keep.inherit(former)
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
        """Append to [alerts] what ended because nothing judges it any more; called about each second."""
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

    def evaluated(self, offset: int) -> None:
        """Everything up to and including `offset` has been evaluated, and its alerts are in the log."""
        self._next = offset + 1
        self.engine.advance(self._keep.partition_id, offset)

    async def save_pass(self) -> None:
        """Save every block once, a block at a time, then move the low watermark."""
        if self._ended:
            return  # saved now, they would be forgotten untold
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
