"""Bytes of format 1 as they were written once. What is read today reads them, and what is written today is the same.

A format that has to change changes its version, and gets files of its own beside these. Before the first release, what
is meant to change is written anew: `WRITE_GOLDENS=1 .venv/bin/pytest tests/golden`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

FILES = Path(__file__).parent / "files"
Golden = Callable[..., bytes]


@pytest.fixture
def golden() -> Golden:
    """`golden(name, written)`: the bytes that are kept under this name, which today's program writes, too.

    With `is_exact=False` it may write others that mean the same, as compressors and Arrow do from version to version.
    """

    def kept(name: str, written: bytes, *, is_exact: bool = True) -> bytes:
        file = FILES / name
        if os.environ.get("WRITE_GOLDENS"):
            file.write_bytes(written)
        data = file.read_bytes()

        assert written == data or not is_exact, f"{name} is not written as it was"
        return data

    return kept
