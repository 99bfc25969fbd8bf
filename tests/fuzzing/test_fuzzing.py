"""No bytes that come in at a door crash it, hang it, make it grow, or are answered with an error of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INPUTS = 400  # a million in `make soak`


@pytest.mark.processes
def test_some_inputs_of_all_doors(tmp_path: Path) -> None:
    options = (f"-runs={INPUTS}", "-seed=1", "-print_final_stats=0", f"-artifact_prefix={tmp_path}/")
    command = [sys.executable, "-m", "tests.fuzzing", "all", *options]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    said = [line for line in run.stdout.decode(errors="replace").splitlines() if "leaked function" not in line]
    assert run.returncode == 0, "\n".join(said)[-12_000:]
