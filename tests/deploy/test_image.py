"""The image: what hadolint says, and that what is copied into it is let into the build."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from deploy_files import DEPLOY, ROOT

DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
INSTRUCTIONS = re.sub(r"\\\n\s*", " ", DOCKERFILE).splitlines()


def values_of(instruction: str) -> list[str]:
    return [line.removeprefix(instruction).strip() for line in INSTRUCTIONS if line.startswith(f"{instruction} ")]


@pytest.mark.processes
def test_hadolint_has_nothing_to_say() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert hadolint is not None

    done = subprocess.run([hadolint, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stdout) == (0, "")


def test_what_is_copied_is_there_and_let_into_the_build() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    copied = [word for line in values_of("COPY") if "--from" not in line for word in line.split()[:-1]]

    assert ignored[0] == "*"
    assert {"requirements.txt", "pyproject.toml", *("pipeline", "store", "rules", "simulators")} <= set(copied)
    for name in copied:
        assert (ROOT / name).exists(), name
        assert any(fnmatch(name, pattern.removeprefix("!")) for pattern in ignored[1:] if pattern[0] == "!"), name


def test_it_runs_as_nobody_in_particular_from_packages_with_hashes() -> None:
    assert any("--require-hashes -r requirements.txt" in line for line in values_of("RUN"))
    assert values_of("USER") == ["10001:10001"]
    assert "/healthz" in " ".join(values_of("ENV"))
    assert values_of("STOPSIGNAL") == ["SIGTERM"]
    assert len(values_of("HEALTHCHECK")) == len(values_of("VOLUME")) == 1
    assert {line.split()[0] for line in values_of("FROM")} == {"python:3.11-slim-bookworm"}


def test_what_it_runs_is_a_command_with_these_options() -> None:
    import json

    from pipeline.operations.cli.group import streamgauge

    (entry,) = map(json.loads, values_of("ENTRYPOINT"))
    (name, *options) = json.loads(values_of("CMD")[-1])
    command = streamgauge.get_command(streamgauge.make_context("streamgauge", ["--help"], resilient_parsing=True), name)

    assert entry == ["streamgauge"]
    assert command is not None
    command.make_context(name, options)
