"""Damage to a file: {a flip, two flips, cut, emptied, missing, swapped with an older one} in a region of it."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from hypothesis import settings

from store.objects import damage

REGIONS = ("first", "header", "middle", "last", "random")
Damage: TypeAlias = Callable[[Path, str, random.Random, Path], None]
HEADER_BYTES = 100


@contextmanager
def observed() -> Iterator[list[tuple[str, str]]]:
    """Notes the kind and the outcome of each report of damage within the block."""
    found: list[tuple[str, str]] = []

    def note(kind: str, outcome: str) -> None:
        found.append((kind, outcome))

    damage.observe(note)
    try:
        yield found
    finally:
        damage._observers.remove(note)


def seeds() -> range:
    """One seed; in `make soak` ten."""
    return range(max(1, settings().max_examples // 100))


def place(size: int, region: str, rng: random.Random) -> int:
    """The index of a byte in a region of `size` bytes."""
    return {
        "first": 0,
        "header": rng.randrange(min(size, HEADER_BYTES)),
        "middle": size // 2 + rng.randrange(max(1, min(size // 4, 64))) - (size == 1),
        "last": size - 1,
        "random": rng.randrange(size),
    }[region] % size


def flip(path: Path, region: str, rng: random.Random, _older: Path) -> None:
    """Flip one bit."""
    _flip(path, region, rng, 1)


def flip_two(path: Path, region: str, rng: random.Random, _older: Path) -> None:
    """Flip one bit in the region, and one somewhere in the file."""
    _flip(path, region, rng, 2)


def cut(path: Path, region: str, rng: random.Random, _older: Path) -> None:
    """Cut the file off in the region."""
    size = path.stat().st_size
    os.truncate(path, place(size, region, rng) if size else 0)


def empty(path: Path, _region: str, _rng: random.Random, _older: Path) -> None:
    """Leave nothing of it."""
    os.truncate(path, 0)


def missing(path: Path, _region: str, _rng: random.Random, _older: Path) -> None:
    """Remove it."""
    path.unlink()


def swap(path: Path, _region: str, _rng: random.Random, older: Path) -> None:
    """Put an older one in its place, if there is one."""
    if older.exists():
        shutil.copyfile(older, path)


def _flip(path: Path, region: str, rng: random.Random, times: int) -> None:
    data = bytearray(path.read_bytes())
    if data:
        places = {place(len(data), region, rng) * 8 + rng.randrange(8)}
        while len(places) < min(times, len(data) * 8):
            places.add(rng.randrange(len(data) * 8))
        for bit in places:
            data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)


DAMAGES: tuple[Damage, ...] = (flip, flip_two, cut, empty, missing, swap)
