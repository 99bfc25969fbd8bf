"""The silences of the configuration: those that have ended, and those that never will."""

from __future__ import annotations

import time
from collections.abc import Iterator

from pipeline.alerting.routing.plan import plan_of
from pipeline.config import Config
from pipeline.operations.doctor.finding import Finding, ok, warn
from store.values.times import rfc3339

NAME = "silences"


def check_silences(config: Config) -> Iterator[Finding]:
    """One finding for each silence."""
    yield from judge(config, time.time_ns())


def judge(config: Config, now_ns: int) -> Iterator[Finding]:
    """The findings at this time."""
    for silence in plan_of(config).silences:
        who = f"{', '.join(map(str, silence.matchers))} ({silence.by}: {silence.why})"
        if silence.end_ns is not None and silence.end_ns <= now_ns:
            yield warn(NAME, f"{who} ended at {rfc3339(silence.end_ns)}", "remove it from `silences`")
        elif silence.end_ns is None and silence.every is None:
            told = f"{who} has no end: nobody is ever told of what it matches"
            yield warn(NAME, told, "give it `to`, or leave the alerts out by a route with `receiver: []`")
        else:
            yield ok(NAME, who)
