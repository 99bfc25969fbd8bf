"""The programs that read the files of deploy/, or their own libraries: none of them needs a container engine."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from deploy_files import ROOT, Checks

SOURCES = Path(__file__).parent / "tools" / "checks"
CACHE = ROOT / ".cache"
GO_PLACES = ("/usr/local/go/bin/go", str(CACHE / "go" / "go" / "bin" / "go"))  # where tests/install_packages puts one


@pytest.hookimpl(tryfirst=True)  # before anything is left out by its mark
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs Go is of `make soak`, and the first one waits for a compiler: minutes where it was never built."""
    for item in items:
        if "checks" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(900))
            item.add_marker("soak")


@pytest.fixture(scope="session")
def checks_program() -> Path:
    """Compose's, Prometheus' and Helm's own libraries as a program, built once for each state of its sources."""
    key = hashlib.sha256(b"".join((SOURCES / name).read_bytes() for name in ("go.mod", "go.sum", "main.go")))
    program = CACHE / f"checks-{key.hexdigest()[:16]}"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "building.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            go = shutil.which("go") or next((place for place in GO_PLACES if Path(place).exists()), None)
            assert go is not None, "there is no Go here; tests/install_packages installs it"
            unfinished = program.with_suffix(".unfinished")
            command = [go, "build", "-trimpath", "-ldflags=-s -w", "-o", str(unfinished), "."]
            subprocess.run(command, cwd=SOURCES, check=True)
            unfinished.rename(program)
    return program


@pytest.fixture(scope="session")
def checks(checks_program: Path) -> Checks:
    """`checks("rules", file)`: the parsed output. Raises AssertionError with what was wrong."""

    def run(*arguments: str | Path, text: str = "", **environ: str) -> Any:
        done = subprocess.run(
            [checks_program, *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **environ},
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
