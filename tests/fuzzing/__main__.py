"""Fuzzes a door: `python -m tests.fuzzing DOOR|all [options of libFuzzer]`; without a door, lists them.

libFuzzer makes inputs from the seeds and from `corpus/DOOR/`, and keeps those that reach new lines of ours. It stops at
the first that raises an error that is no refusal, takes longer than a second of CPU, or makes the process grow, and
leaves it as `crash-…`; to try one again, name its file. `-runs=N` ends after N inputs, `-seed=N` makes the same again,
`-verbosity=0` says no more than how many inputs were tried so far; a folder as the last argument collects the inputs
worth keeping. `all` runs as many doors at a time as there are cores.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

import atheris

LONGEST_S = 3.0  # of CPU, for one input, on a slow machine
MOST_GROWTH_BYTES = 256 << 20  # after the first inputs, which fill caches
WARM_AFTER = 2_000
TOLD_AT, TOLD_EVERY_S = 100_000, 60.0

with atheris.instrument_imports(include=["pipeline", "store", "rules"], enable_loader_override=False):
    from tests.fuzzing.door import Feed
    from tests.fuzzing.doors import CORPUS, DOORS


class Watched:
    """Gives inputs to a door, and fails at one that hangs or fills memory."""

    def __init__(self, name: str, feed: Feed) -> None:
        self._name = name
        self._feed = feed
        self._count = 0
        self._warm_bytes = 0
        self._began_s = time.process_time()
        self._told_s = time.monotonic()

    def __call__(self, data: bytes) -> None:
        """Take one input."""
        began_s = time.process_time()
        self._feed(data)
        took_s = time.process_time() - began_s
        if took_s > LONGEST_S:
            raise RuntimeError(f"{took_s:.1f} s of CPU for an input of {len(data)} bytes")
        self._count += 1
        if self._count % WARM_AFTER == 0:
            self._look_at_memory()
            self._tell_progress()

    def _tell_progress(self) -> None:
        now_s = time.monotonic()
        if self._count % TOLD_AT == 0 or now_s - self._told_s >= TOLD_EVERY_S:
            self._told_s = now_s
            rate = self._count / (time.process_time() - self._began_s)
            sys.stderr.write(f"{self._name}: {self._count:,} inputs, {rate:,.0f} per second of CPU\n")

    def _look_at_memory(self) -> None:
        gc.collect()
        resident = _resident_bytes()
        if self._count == WARM_AFTER:
            self._warm_bytes = resident
        elif resident - self._warm_bytes > MOST_GROWTH_BYTES:
            raise RuntimeError(f"{self._warm_bytes >> 20} MiB grew to {resident >> 20} MiB in {self._count} inputs")


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def fuzz(name: str, options: list[str]) -> None:
    """Fuzz one door; libFuzzer ends the process, with 0 if nothing was found."""
    door, kept = DOORS[name], CORPUS / name
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as made, tempfile.TemporaryDirectory() as folder:
        corpus, words = Path(made) / "seeds", Path(made) / "words"
        corpus.mkdir()
        for number, seed in enumerate(door.seeds()):
            (corpus / str(number)).write_bytes(seed)
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in door.words))
        named = [option for option in options if not option.startswith("-")]
        places = [str(corpus), *([str(kept)] if kept.is_dir() else [])]
        if named:
            places = named if Path(named[0]).is_file() else [*named, *places]
        dictionary = [f"-dict={words}"] if door.words else []
        limits = [f"-max_len={door.max_bytes}", "-len_control=0", "-rss_limit_mb=4096", "-timeout=1200"]
        options = [option for option in options if option.startswith("-")]
        with door.open(Path(folder)) as feed:
            atheris.Setup([sys.argv[0], *limits, *dictionary, *options, *places], Watched(name, feed))
            atheris.Fuzz()


def main() -> None:
    """Fuzz the doors that are named; each in a process of its own."""
    name, *options = sys.argv[1:] or [""]
    if name not in {*DOORS, "all"}:
        sys.exit(f"{__doc__}\nDoors: {', '.join(DOORS)}")
    waiting = list(DOORS) if name == "all" else [name]
    running: dict[int, str] = {}
    failed = []
    while waiting or running:
        while waiting and len(running) < (os.cpu_count() or 1):
            door = waiting.pop(0)
            child = os.fork()
            if not child:
                fuzz(door, options)
            running[child] = door
        child, status = os.wait()
        door = running.pop(child)
        if status:
            failed.append(door)
    sys.exit(f"found something at: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
