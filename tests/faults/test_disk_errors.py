"""A disk that fails: nothing is acknowledged that is not durable, the product says what failed, and it goes on.

A call on a chosen kind of file fails once, or as long as a disk is full, while the product runs under load. Whatever it
does then, wait or end and be started again, all is as promised afterwards, also if the power goes later: after a failed
fsync the page cache has what the disk does not.
"""

from __future__ import annotations

import errno
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.examples import one_in
from tests.support.fault_kit import hasty
from tests.support.power.cuts import Cut, try_cuts
from tests.support.power.journal import CREATE, FSYNC, RENAME, WRITE, Recorder
from tests.support.power.laws import broken
from tests.support.power.load import BEFORE_MS, CONNECTIONS, Promises, Publisher, Tables
from tests.support.power.recording import RecordedProduct, Recording, under_load
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(7200)]

FULL_S = 1.5
WORDS = "Input/output error|disk I/O error|No space left on device|disk is full"
RATE = 20.0
FILES = {
    "log": "data/log/readings.sqlite-wal",
    "log file": "data/log/*.sqlite",
    "log of alerts": "data/log/alerts.sqlite-wal",
    "alerts": "data/alerts.sqlite*",
    "dead letters": "data/dead_letters.sqlite*",
    "parquet": "*.parquet",
    "commit": "*/_delta_log/*.json*",
    "objects": "data/magnetic/_streamgauge/.aside/*",
    "folder of objects": "data/magnetic/_streamgauge/*",
    "folder of a table": "data/magnetic/default/*",
}
FAULTS = [
    *((name, FSYNC, errno.EIO) for name in FILES),
    *((name, WRITE, errno.EIO) for name in FILES if "folder" not in name),
    *((name, WRITE, errno.ENOSPC) for name in FILES if "folder" not in name),
    *((name, CREATE, errno.ENOSPC) for name in ("parquet", "commit", "objects")),
    *((name, RENAME, errno.EIO) for name in ("commit", "folder of objects")),
]


@dataclass(frozen=True)
class Fault:
    """Calls on files of a kind that fail with an error: one after `skip` others, or all for a while: a full disk."""

    files: str
    call: int
    error: int
    skip: int = 0

    def strike(self, recorder: Recorder) -> None:
        """Fail, and heal."""
        recorder.mark(f"fault {self}")
        is_full = self.error == errno.ENOSPC
        recorder.fail(self.call, FILES[self.files], self.error, skip=self.skip, times=-1 if is_full else 1)
        wait_for(recorder.failures, f"{self} strikes", every_s=0.01)
        if is_full:
            time.sleep(FULL_S)  # the duration is what is under test
        recorder.heal()

    def __str__(self) -> str:
        call = {FSYNC: "fsync", WRITE: "write", CREATE: "create", RENAME: "rename"}[self.call]
        return f"{errno.errorcode[self.error]} of {call} {self.skip} of {self.files}"


def test_nothing_is_lost_when_the_disk_fails(tmp_path: Path) -> None:
    some = slice(0, None, 12 if one_in() > 1 else 1)
    faults = [Fault(*fault, skip=number % 3) for number, fault in enumerate(FAULTS)][some]
    recorder = Recorder(tmp_path, tmp_path / "disk")
    recorder.root.mkdir()
    start_ms = time.time_ns() // 1_000_000 - BEFORE_MS
    recorder.mark(f"start {start_ms}")
    publishers = [Publisher(recorder, number, start_ms, RATE) for number in range(CONNECTIONS)]
    with hasty(tmp_path, FAULT_KEEP_S="1"), RecordedProduct(recorder) as product:
        with under_load(product, publishers, Tables(recorder)):
            for fault in faults:
                fault.strike(recorder)
                goes_on(publishers, fault)
                wait_for(product.is_answering, f"the worker answers after {fault}")
        promises = Promises.of(recorder.records())
        with product.client() as client:
            wait_for(lambda: broken(client, promises) == [], "all laws hold", every_s=0.5)
        said = product.output.read_text()
    records = recorder.records()
    struck = [number for number, record in enumerate(records) if record.data.startswith(b"fault ")]
    cuts = [
        Cut(at + later, f"{at}", "none", "none") for at in struck for later in (40, 400) if at + later < len(records)
    ]
    outcomes = list(try_cuts(Recording(recorder, records), cuts[:: one_in() + 1], tmp_path / "cuts"))

    assert [str(outcome) for outcome in outcomes if outcome.broken] == []
    assert_said(said, recorder.root)


def goes_on(publishers: list[Publisher], fault: Fault) -> None:
    """Each of the devices gets more PUBACKs."""
    before = [publisher.acked for publisher in publishers]
    wait_for(
        lambda: all(publisher.acked > count + 5 for publisher, count in zip(publishers, before, strict=True)),
        f"messages are acknowledged after {fault}",
    )


def assert_said(output: str, folder: Path) -> None:
    """Each end of a process names a file and what was wrong with it, and is no traceback."""
    lines = [json.loads(line) for line in output.splitlines()]
    told = [line["event"] for line in lines if line["level"] == "critical" or line["event"].startswith("Error: ")]
    ends = [line for line in lines if line["process"] == "up" and "ended with exit code" in line["event"]]

    assert len(told) == len(ends) > 0
    assert [event for event in told if str(folder) not in event or not re.search(WORDS, event)] == []
    assert [line for line in lines if line["level"] == "critical" and "exception" in line] == []
