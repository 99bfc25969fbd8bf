"""A suspended process does nothing from the moment the call has returned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.support.examples import times
from tests.support.stopping import stand_still
from tests.support.waiting import wait_for

pytestmark = pytest.mark.processes

# Each thread counts in its own file, until it is killed.
COUNTING = """
import sys, threading, pathlib

def count(path):
    number = 0
    while True:
        number += 1
        path.write_text(str(number))

for number in range(8):
    threading.Thread(target=count, args=(pathlib.Path(sys.argv[1], str(number)),)).start()
"""


def _has_changed(before: list[str], counts: Callable[[], list[str]]) -> bool:
    return counts() != before


def test_no_thread_of_a_process_told_to_stand_still_goes_on_until_it_may(tmp_path: Path) -> None:
    def counts() -> list[str]:
        return [path.read_text() for path in sorted(tmp_path.iterdir())]

    process = subprocess.Popen([sys.executable, "-c", COUNTING, str(tmp_path)])
    try:
        wait_for(lambda: len(counts()) == 8, "eight threads count")
        for _ in range(times(5)):
            stand_still(process.pid)
            before = counts()
            after = [counts() for _ in range(5)]
            os.kill(process.pid, signal.SIGCONT)
            assert after == [before] * 5
            wait_for(partial(_has_changed, before, counts), "it goes on")
    finally:
        process.kill()
        process.wait()
