"""How many examples a property test tries."""

from __future__ import annotations

from typing import Any

from hypothesis import settings


def examples(usual: int, **others: Any) -> settings:
    """For a test that takes another number than most: `usual` in `make test`, in the other lanes in proportion."""
    return settings(max_examples=times(usual), **others)


def times(usual: int) -> int:
    """The same for a test that makes its examples itself."""
    return max(5, usual * settings().max_examples // 100)


def one_in() -> int:
    """For a test that walks through many states: it looks at one in so many, spread over them; `make soak` at all."""
    return max(1, 300 // settings().max_examples)
