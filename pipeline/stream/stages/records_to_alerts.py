"""The records channel → rules → [alerts]. The alerts are durable before the state that raised them may be saved."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from pipeline.base import metrics
from rules import to_event


async def records_to_alerts(stream: Any, append: Callable[[bytes], Awaitable[Any]]) -> None:
    """Run until the Faust stream ends."""
    async for work in stream:
        rules = work.partition.rules
        if not work.partition.is_open:
            continue
        async with rules.changing:
            began_s = time.perf_counter()
            evaluated = map(rules.engine.evaluate, filter(len, work.batches))
            transitions = [transition for of_batch in evaluated for transition in of_batch]
            if work.word is not None:
                transitions += await rules.take(work.word, work.offset)
            metrics.stage_seconds.labels("rules").observe(time.perf_counter() - began_s)
            if transitions:
                await append(orjson.dumps([to_event(transition) for transition in transitions]))
            rules.evaluated(work.offset, sum(map(len, work.batches)))
        for transition in transitions:
            metrics.alerts.labels(transition.status).inc()
