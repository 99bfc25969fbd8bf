"""How many examples a property test tries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from hypothesis import settings

Case = TypeVar("Case")


def examples(usual: int, **others: Any) -> settings:
    """For a test that takes another number than most: `usual` in `make test`, in the other lanes in proportion."""
    return settings(max_examples=times(usual), **others)


def times(usual: int) -> int:
    """The same for a test that makes its examples itself."""
    return max(5, usual * settings().max_examples // 100)


def some(cases: Sequence[Case]) -> Sequence[Case]:
    """All of many cases; of `make check` each fifth, spread over them."""
    return cases[:: max(1, 100 // settings().max_examples)]
