"""Versions: of Python, of installed packages compared with the tested ones, and of the kernel."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pipeline
from pipeline.config import Config
from pipeline.operations.doctor.finding import Finding, fail, ok, warn

NAME = "versions"
OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)  # as `requires-python` in pyproject.toml
OLDEST_KERNEL = (4, 18)  # of the oldest supported distribution (RHEL 8)
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?:\s*;.*)?", re.MULTILINE)
_ROOT = Path(pipeline.__file__).parents[1]
_LOCK = _ROOT / "requirements.txt"


def check_versions(_: Config) -> Iterator[Finding]:
    """The versions on this machine."""
    yield judge_python(sys.version_info[:2])
    if sys.platform == "linux":
        yield judge_kernel(platform.release())
    if _LOCK.exists():
        tested = dict(_PIN.findall(_LOCK.read_text("utf-8")))
        yield judge_packages(tested, {name: _installed(name) for name in tested})


def judge_python(version: tuple[int, int]) -> Finding:
    """Python itself, and this program."""
    told = f"streamgauge {importlib.metadata.version('streamgauge')}, Python {version[0]}.{version[1]}"
    if OLDEST_PYTHON <= version <= NEWEST_PYTHON:
        return ok(NAME, told)
    return fail(NAME, f"{told}, which is not supported", "make setup PYTHON=python3.11 (or 3.12, 3.13)")


def judge_kernel(release: str) -> Finding:
    """Linux: `release` is the output of `uname -r`."""
    found = tuple(int(part) for part in re.findall(r"\d+", release)[:2])
    if found < OLDEST_KERNEL:
        return warn(NAME, f"Linux {release} is older than the tested versions", "run a newer kernel")
    return ok(NAME, f"Linux {release}")


def judge_packages(tested: Mapping[str, str], installed: Mapping[str, str | None]) -> Finding:
    """Versions by name; None: not installed."""
    missing = [name for name in tested if installed[name] is None]
    other = [
        f"{name} {installed[name]} (tested: {version})"
        for name, version in tested.items()
        if installed[name] not in {None, version}
    ]
    if missing:
        return fail(NAME, f"not installed: {', '.join(missing)}", "make setup, or pip install -r requirements.txt")
    if other:
        return warn(NAME, f"other than tested: {', '.join(other)}", "make setup, or pip install -r requirements.txt")
    return ok(NAME, f"{len(tested)} packages, each of the version it was tested with")


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
