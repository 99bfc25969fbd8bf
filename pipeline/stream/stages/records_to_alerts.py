"""The records channel → rules → [alerts]. The alerts are durable before the state that raised them may be saved."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import orjson

from pipeline.base import metrics
from pipeline.stream.work_batch import WorkBatch
from rules import Engine, Transition, to_event
from store.record import RecordBatch


async def records_to_alerts(stream: Any, append: Callable[[bytes], Awaitable[Any]]) -> None:
    """Run until the Faust stream ends."""
    async for work in stream:
        rules = work.partition.rules
        if not work.partition.is_open:
            continue
        async with rules.changing:
            began_s = time.perf_counter()
            transitions = await _evaluate(work)
            metrics.stage_seconds.labels("rules").observe(time.perf_counter() - began_s)
            if transitions:
                await append(orjson.dumps([to_event(transition) for transition in transitions]))
            rules.evaluated(work.offset, sum(map(len, work.batches)))
        for transition in transitions:
            metrics.alerts.labels(transition.status).inc()


async def _evaluate(work: WorkBatch) -> list[Transition]:
    """What its rows and words change, in log order: up to each word only the rows before it."""
    rules, transitions = work.partition.rules, []
    for offset, word in work.words:
        transitions += _evaluate_rows(rules.engine, (batch.upto(offset) for batch in work.batches))
        rules.engine.advance(work.partition.id, offset)
        transitions += await rules.take(word, offset)
    return transitions + _evaluate_rows(rules.engine, work.batches)


def _evaluate_rows(engine: Engine, batches: Iterable[RecordBatch]) -> list[Transition]:
    """What rows change; not those of imports, which tell of the past of other systems."""
    seen = (batch for batch in batches if len(batch) and not batch.is_import)
    return [transition for batch in seen for transition in engine.evaluate(batch)]
