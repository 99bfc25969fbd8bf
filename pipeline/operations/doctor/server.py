"""The running server, if there is one: whether it is ready, and counts that need attention."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.alerting.routing.groups import MuteKind
from pipeline.base.metrics_text import sum_of
from pipeline.config import Config
from pipeline.operations.doctor.finding import Finding, fail, ok, warn
from pipeline.operations.supervisor.supervisor import reachable

NAME = "server"
TIMEOUT_S = 2.0
NEARLY_FULL = 0.5
STEPS = "streamgauge_clock_steps_total"
SETTLES = "streamgauge_clock_settling"
_FAILING = re.compile(r'^streamgauge_webhooks_failing\{.*receiver="([^"]*)".*\} 1(?:\.0)?$', re.MULTILINE)


def check_server(config: Config) -> Iterator[Finding]:
    """The findings from /readyz, and from what the processes on the data_dir have counted."""
    address = reachable(config.http.address)
    is_secure = config.http.tls is not None
    if not address.port:
        yield ok(NAME, "http.address has no port of its own, so a server that runs is not looked for")
        return
    try:
        status, ready = _get(address.host, address.port, "/readyz", is_secure=is_secure)
        answer = json.loads(ready)
    except ConnectionRefusedError:
        yield ok(NAME, f"none runs at {address}")
        return
    except (OSError, http.client.HTTPException, ValueError) as error:
        told = f"the program at {address} does not answer like streamgauge: {error}"
        yield fail(NAME, told, "the check `ports` names it")
        return
    if not isinstance(answer, dict) or "lag_seconds" not in answer:
        yield fail(NAME, f"the program at {address} is not streamgauge", "the check `ports` names it")
        return
    yield judge_ready(status, answer)
    page = _counts(config.layout.metrics)
    yield from judge_clock(answer.get("clock") or {}, page)
    yield from judge_counts(page, max_bytes=config.log.max_bytes)


def judge_ready(status: int, answer: dict[str, Any]) -> Finding:
    """/readyz: 200, or 503 while it catches up."""
    told = f"{answer.get('status')}; {answer.get('lag_seconds')} s behind"
    if status == http.client.OK:
        return ok(NAME, told)
    return warn(NAME, told, "wait; if the lag does not fall, more arrives than one worker stores (docs/operations.md)")


def judge_clock(clock: dict[str, Any], page: str) -> Iterator[Finding]:
    """The findings about the host's clock from /readyz and the metrics; none if nothing happened to it."""
    remedy = "synchronise it by NTP before streamgauge starts (docs/operations.md, The host's clock)"
    if clock.get("is_set") is False:
        yield fail(NAME, f"the host's clock says {clock.get('now')}: it was never set", remedy)
    steps = max(sum_of(page, STEPS, f'process="{process}"') for process in ("worker", "gateway"))
    if steps:
        last = clock.get("last_step")
        told = (
            "" if last is None else f", the last time by {last['by_seconds']:,} s from {last['from']} to {last['to']}"
        )
        yield warn(NAME, f"the host's clock was set {steps:,.0f} times since the start{told}", remedy)
    if sum_of(page, SETTLES):
        told = "the host's clock jumped far ahead; retention is suspended until it has run for 6 hours"
        yield warn(NAME, told, "nothing, if it is right now; else set it")


def judge_counts(page: str, *, max_bytes: int) -> Iterator[Finding]:
    """The findings from a page of metrics, counted since the start of `up`."""
    lost = sum_of(page, "streamgauge_log_lost_messages_total")
    if lost:
        told = f"{lost:,.0f} messages were deleted from the log before they were processed"
        yield fail(NAME, told, "the log lines say DATA LOSS and where; the log was restored or is damaged")
    letters = sum_of(page, "streamgauge_stream_dead_letters_total")
    if letters:
        yield warn(NAME, f"{letters:,.0f} dead letters", "streamgauge dead-letters list says why")
    given_up = sum_of(page, "streamgauge_webhooks_attempts_total", 'outcome="given_up"')
    if given_up:
        told = f"{given_up:,.0f} alerts were not delivered"
        remedy = "streamgauge alerts deliveries --state given_up says to whom and why; alerts retry tries again"
        yield warn(NAME, told, remedy)
    with_warnings = sum_of(page, "streamgauge_rules_with_warnings")
    if with_warnings:
        yield warn(NAME, f"rules that may never fire: {with_warnings:g}", "streamgauge rules list says which and why")
    failing = _FAILING.findall(page)
    if failing:
        told = f"the last attempt to deliver an alert failed: {', '.join(failing)}"
        yield warn(NAME, told, "streamgauge alerts deliveries --state queued says why; alerts retry tries at once")
    muted = {kind: sum_of(page, "streamgauge_alerts_muted", f'reason="{kind}"') for kind in MuteKind}
    if any(muted.values()):
        told = ", ".join(f"{count:g} {kind}" for kind, count in muted.items() if count)
        yield ok(NAME, f"alerts fire that nobody is told of: {told}; streamgauge alerts --status firing lists them")
    told_sizes = [
        f"{size:.2f} in the {tier} tier"
        for tier in ("magnetic", "memory")
        if (size := sum_of(page, "streamgauge_store_bytes_per_value", f'tier="{tier}"'))
    ]
    if told_sizes:
        yield ok(NAME, f"bytes per value: {', '.join(told_sizes)}")
    held = sum_of(page, "streamgauge_log_bytes")
    if held > max_bytes * NEARLY_FULL:
        told = f"the log holds {held / max_bytes:.0%} of log.max_bytes"
        yield warn(NAME, told, "it is trimmed as the worker commits: see its lag and its log lines")


def _counts(metrics: Path) -> str:
    """The page of metrics; empty if no process uses this data_dir, or it cannot be read."""
    from pipeline.base.metrics_files import page_of  # noqa: PLC0415  # slow to import, and only for a server that runs

    try:
        return page_of(metrics).decode()
    except (OSError, ValueError):
        return ""


def _get(host: str, port: int, path: str, *, is_secure: bool) -> tuple[int, str]:
    connection: http.client.HTTPConnection
    if is_secure:
        # The request goes to the address that it listens on, on this machine, which no certificate names.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
