"""Every `up` that a test starts ends with the test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from supervised import CHILD, UP, Starter, Up

from pipeline.base.process import end_with_parent


@pytest.fixture
def start_up(tmp_path: Path) -> Iterator[Starter]:
    """Start an `up`; all of them end with the test."""
    started: list[Up] = []

    def start(
        data_dir: Path | None = None,
        *,
        mqtt: str = "127.0.0.1:0",
        http: str = "127.0.0.1:0",
        gateway: str = CHILD,
        worker: str = CHILD,
        gateway_stop_s: float = 60.0,
        gateways: int = 1,
    ) -> Up:
        data_dir = data_dir or tmp_path / "data"
        journal, log = tmp_path / "journal", tmp_path / f"log-{len(started)}"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-c", UP, data_dir, mqtt, http, gateway, worker, journal),
                    *(str(gateway_stop_s), str(gateways)),
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,  # as a shell starts it
                preexec_fn=end_with_parent,  # noqa: PLW1509  # there are no threads
            )
        started.append(Up(process, data_dir, journal, log))
        return started[-1]

    yield start
    for up in started:
        if up.process.poll() is None:
            up.process.kill()
        up.process.wait()
