"""Short work on files, recorded in a process of its own, and the states in which a power failure may leave them."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.power.disk import Disk, durable
from tests.support.power.journal import Record, Recorder
from tests.support.power.survivors import Survivors

ROOT = Path(__file__).parents[3]
_NOTHING_OR_ALL = (("none", "none"), ("all", "all"))


def record_work(folder: Path, disk: Path, code: str) -> list[Record]:
    """Run `code` (Python) with the arguments `folder` and `disk`; what it did below `disk`, and its marks.

    A mark is made by `Recorder(folder, disk).mark`.
    """
    recorder = Recorder(folder, disk)
    with recorder.preloaded():
        subprocess.run([sys.executable, "-c", code, str(folder), str(disk)], check=True, cwd=ROOT)
    return recorder.records()


def states(before: Path, records: list[Record], place: Path, most: int) -> Iterator[tuple[str, list[str]]]:
    """States of `before` after a power failure within these records, each at `place` until the next is asked for.

    Each comes with its name and the marks up to it; there are `most` moments, in all three ways: nothing survives that
    was not synced, everything, and what a seed chooses.
    """
    moments = [number for number, one in enumerate(records, 1) if one.op not in "Om?"]
    for at in sorted(random.Random(12).sample(moments, min(most, len(moments)))):
        marks = [one.data.decode() for one in records[:at] if one.op == "M"]
        for names, content in (*_NOTHING_OR_ALL, ("", "")):
            disk = Disk(records, before=durable(before))
            for one in records[:at]:
                disk.follow(one)
            survivors = Survivors(disk, f"{at}", names, content)
            survivors.write_to(place)
            yield f"after {at} ({survivors.names}, {survivors.content})", marks
            shutil.rmtree(place)
