"""Runs the checks, all at the same time, so that one that waits for a network does not delay the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from pipeline.config import Config
from pipeline.operations.doctor.checks import CHECKS
from pipeline.operations.doctor.finding import Check, Finding, fail, ok

TIMEOUT_S = 5.0


def examine(
    config: Config, checks: Sequence[tuple[str, Check]] = CHECKS, *, timeout_s: float = TIMEOUT_S
) -> list[Finding]:
    """The findings of all checks, in the order of the list.

    A check that fails, or does not end in time, is a finding too.
    """
    found: dict[str, list[Finding]] = {}

    def run(name: str, check: Check) -> None:
        found[name] = _findings(name, check, config)

    # Not a pool: at exit the process would wait for a thread of the pool that hangs on a dead disk.
    threads = [threading.Thread(target=run, args=named, name=f"check {named[0]}", daemon=True) for named in checks]
    for thread in threads:
        thread.start()
    deadline_s = time.monotonic() + timeout_s
    for thread in threads:
        thread.join(max(0.0, deadline_s - time.monotonic()))
    told = f"did not end within {timeout_s:g} s"
    late = "a disk or a network is too slow; check that first"
    return [finding for name, _ in checks for finding in found.get(name) or [fail(name, told, late)]]


def _findings(name: str, check: Check, config: Config) -> list[Finding]:
    try:
        return list(check(config)) or [ok(name, "nothing to look at")]
    except OSError as error:
        what = f"cannot be checked: {error.strerror or error}" + (f": {error.filename}" if error.filename else "")
        return [fail(name, what, "let this user read it, or run the doctor as the user that runs streamgauge")]
    except Exception as error:  # noqa: BLE001  # a bug in one check must not hide the findings of the others
        return [fail(name, f"the check itself failed: {error!r}", "please report this")]
