"""One process has a lock, and the lock names the process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from store.objects.file_lock import FileLock, Taken

HOLD = """
import sys
from pathlib import Path
from store.objects.file_lock import FileLock
lock = FileLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_process_learns_who_holds_the_lock_until_it_is_released(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    with pytest.raises(Taken) as taken:
        FileLock(tmp_path / "lock")
    lock.release()
    lock.release()

    assert taken.value.holder == os.getpid()
    with FileLock(tmp_path / "lock"):
        pass


@pytest.mark.processes
def test_the_lock_of_a_process_that_was_killed_is_free(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(Taken) as taken:
            FileLock(tmp_path / "lock")
        process.kill()
        process.wait()

        assert taken.value.holder == process.pid
        FileLock(tmp_path / "lock").release()
