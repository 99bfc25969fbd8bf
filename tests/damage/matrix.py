"""The matrix: kinds of files by kinds of damage by regions, and what becomes of each."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hypothesis import settings

from tests.damage.archives import Alerts, DeadLetters
from tests.damage.log import Log
from tests.damage.rules import RuleStates
from tests.damage.small_files import SmallFiles
from tests.damage.store import Stored
from tests.damage.subject import Subject
from tests.support.damages import DAMAGES, REGIONS, Damage, observed

SUBJECTS: tuple[Subject, ...] = (
    Log(),
    Stored(),
    Stored(log_first=0),
    RuleStates(),
    Alerts(),
    DeadLetters(),
    SmallFiles(),
)


class Verdict(StrEnum):
    """What became of a damaged file, from the best to the worst."""

    UNHARMED = "nothing missing"  # what is missing is not needed, or comes again from the log
    REPAIRED = "repaired"
    MADE_AGAIN = "made again"
    LOST = "told as lost"


@dataclass(frozen=True)
class Case:
    """A damage to one file."""

    subject: Subject
    kind: str
    change: Damage

    def __str__(self) -> str:
        return f"{self.kind}-{self.change.__name__}"

    def verdicts(self, states: Mapping[str, Path], scratch: Path, seeds: range) -> Iterator[Verdict]:
        """One for each state, region and seed; with one seed, for one region of each state. Fails if it lies."""
        pattern = self.subject.kinds[self.kind]
        for name, state in states.items():
            if name == "older" or not list(state.glob(pattern)):
                continue
            rng = random.Random(f"{self}{name}")
            for number in range(len(seeds) * (1 if len(seeds) == 1 else len(REGIONS))):
                region = rng.choice(REGIONS) if len(seeds) == 1 else REGIONS[number % len(REGIONS)]
                yield self._verdict(state, states["older"], scratch / f"{name}-{number}", region, rng)

    def _verdict(self, state: Path, older: Path, folder: Path, region: str, rng: random.Random) -> Verdict:
        shutil.copytree(state, folder)
        pattern = self.subject.kinds[self.kind]
        path = max(folder.glob(pattern))
        self.change(path, region, rng, min(older.glob(pattern), default=path))
        with observed() as reports:
            is_whole = self.subject.is_whole(folder)
        outcomes = {outcome for _, outcome in reports}
        assert is_whole or "lost" in outcomes, f"{self}, {region}: something is missing, and nobody says so"
        shutil.rmtree(folder)
        if not is_whole or "lost" in outcomes:
            return Verdict.LOST
        made = Verdict.REPAIRED if "repaired" in outcomes else Verdict.UNHARMED
        return Verdict.MADE_AGAIN if "made_again" in outcomes else made


def cases() -> list[Case]:
    """All of them; in `make check` a sixth."""
    rows = ((subject, kind) for subject in SUBJECTS for kind in subject.kinds)
    every = 6 if settings().max_examples < 50 else 1
    return [
        Case(subject, kind, change)
        for row, (subject, kind) in enumerate(rows)
        for column, change in enumerate(DAMAGES)
        if (row + column) % every == 0
    ]
