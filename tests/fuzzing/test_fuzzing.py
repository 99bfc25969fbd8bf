"""No bytes that come in at a door crash it, hang it, make it grow, or are answered with an error of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzzing.doors import DOORS

ROOT = Path(__file__).parents[2]
INPUTS = 400
INPUTS_OF_SOAK = 1_000_000


def fuzz(doors: str, *options: str) -> None:
    """Run it in a process of its own: libFuzzer ends its process."""
    command = [sys.executable, "-m", "tests.fuzzing", doors, "-print_final_stats=0", *options]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    said = [line for line in run.stdout.decode(errors="replace").splitlines() if "leaked function" not in line]
    assert run.returncode == 0, "\n".join(said)[-12_000:]


@pytest.mark.processes
def test_some_inputs_of_all_doors(tmp_path: Path) -> None:
    fuzz("all", f"-runs={INPUTS}", "-seed=1", f"-artifact_prefix={tmp_path}/")


@pytest.mark.soak
@pytest.mark.processes
@pytest.mark.timeout(86_400)
@pytest.mark.parametrize("door", DOORS)
def test_a_million_inputs_of_each_door(door: str, tmp_path: Path) -> None:
    fuzz(door, f"-runs={INPUTS_OF_SOAK}", f"-artifact_prefix={tmp_path}/")
