"""Whatever happens to one file: no error ends the start, nothing false is told, and what is missing is said to be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.damage.matrix import SUBJECTS, Case, cases
from tests.support.damages import seeds

Made = Mapping[int, Mapping[str, Path]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The folders of each subject."""
    return {id(subject): subject.make(tmp_path_factory.mktemp("made")) for subject in SUBJECTS}


@pytest.mark.parametrize("case", cases(), ids=str)
def test_every_damage_of_every_file(made: Made, tmp_path: Path, case: Case) -> None:
    verdicts = list(case.verdicts(made[id(case.subject)], tmp_path, seeds()))

    assert verdicts, "there is such a file"
