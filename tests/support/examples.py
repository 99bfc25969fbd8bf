"""The number of examples of a property test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from hypothesis import settings

T = TypeVar("T")


def examples(usual: int, **others: Any) -> settings:
    """For tests with another number than usual: `usual` where the others make 100, in the lanes in proportion."""
    return settings(max_examples=max(2, times(usual)), **others)  # the first is the least one


def times(usual: int) -> int:
    """The same for a test that creates its examples itself."""
    return max(1, usual * settings().max_examples // 100)


def one_in() -> int:
    """For tests that visit many states: one in this number of states, spread over all; in `make soak` every state."""
    return max(1, 300 // settings().max_examples)


def some(cases: Sequence[T]) -> Sequence[T]:
    """For long tables: in `make check` one case in six."""
    return cases[:: 6 if settings().max_examples < 50 else 1]
