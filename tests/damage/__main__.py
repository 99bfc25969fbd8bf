"""Prints what becomes of each kind of file after each kind of damage: `python -m tests.damage [rounds]`."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.damage.matrix import SUBJECTS, Case, Verdict
from tests.support.damages import DAMAGES


def main(rounds: int) -> None:
    """A row for each kind of file. With one round one region is damaged, with more, each of them in each round."""
    logging.disable()
    say(f"| file | {' | '.join(change.__name__.replace('_', ' ') for change in DAMAGES)} |")
    say(f"| --- |{' --- |' * len(DAMAGES)}")
    with tempfile.TemporaryDirectory() as place:
        for number, subject in enumerate(SUBJECTS):
            made = Path(place) / str(number)
            made.mkdir()
            states = subject.make(made)
            for kind in subject.kinds:
                cells = []
                for change in DAMAGES:
                    scratch = Path(place) / "scratch"
                    found = Counter(Case(subject, kind, change).verdicts(states, scratch, range(rounds)))
                    cells.append(", ".join(verdict for verdict in Verdict if verdict in found))
                say(f"| {kind} | {' | '.join(cells)} |")


def say(line: str) -> None:
    """A line of the table, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
