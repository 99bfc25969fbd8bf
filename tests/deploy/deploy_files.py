"""Where the files of deploy/ are, and what reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"

Checks = Callable[..., Any]
"""`checks("rules", file)`: what the program in tests/deploy/tools/checks prints, parsed."""
