"""A life after a kill: a worker is killed at any record, the next one builds on what it left, and then the power goes.

What a killed process had written is there for the next one, durable or not.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import defaultdict
from pathlib import Path

from pipeline.operations.client import Client
from tests.support.commands import COMMAND
from tests.support.fault_kit import hasty
from tests.support.ports import kept_ports
from tests.support.power.cuts import settled
from tests.support.power.disk import Disk, all_of, write_out
from tests.support.power.journal import Record, Recorder
from tests.support.power.load import Promises
from tests.support.power.recording import DATA, Recording, config

LIVES_S = 2.0  # after it has caught up: it flushes, saves its positions, and trims the log
SETTLE_S = 60.0


def kill_points(records: list[Record], count: int, seed: int) -> list[int]:
    """Moments at which something was just written that is not durable yet: of each kind of file in turn."""
    by_kind: dict[str, list[int]] = defaultdict(list)
    disk = Disk(records)
    for number, record in enumerate(records):
        disk.follow(record)
        kind = disk.kind_at(record)
        if (record.op == "L" and kind in {"commit", "position", "rules"}) or (
            record.op == "W" and kind in {"log", "archive"}
        ):
            by_kind[kind].append(number + 1)
    rng, kinds = random.Random(seed), sorted(by_kind)
    return [rng.choice(by_kind[kinds[number % len(kinds)]]) for number in range(count)]


def continued(recording: Recording, at: int, folder: Path) -> Recording:
    """The records up to `at`, where every process is killed, and those of a worker that goes on from there."""
    disk = Disk(recording.records)
    for record in recording.records[:at]:
        disk.follow(record)
    folder.mkdir()
    recorder = Recorder(folder, folder / "disk")
    write_out(disk.root, lambda of: of.names, all_of, recorder.root)
    with (
        kept_ports(1) as (port,),
        Client(f"http://127.0.0.1:{port}") as client,
        hasty(folder),
        recorder.preloaded(),
        (folder / "worker.log").open("ab") as output,
    ):
        config_file = folder / "streamgauge.yaml"
        config_file.write_text(config(folder, http=f"127.0.0.1:{port}"))
        options = ("--config", str(config_file), "--data-dir", str(recorder.root / DATA))
        with subprocess.Popen([*COMMAND, "worker", *options], stdout=output, stderr=output) as process:
            try:
                found = settled(client, Promises.of(recording.records[:at]), process.poll, SETTLE_S)
                time.sleep(LIVES_S)  # the duration is what is recorded
            finally:
                os.kill(process.pid, signal.SIGKILL)
    assert found == [], f"killed after record {at}: {found}\n{(folder / 'worker.log').read_text()[-1500:]}"
    return Recording(recorder, recording.records[:at] + recorder.records())
