"""Regular expressions that users write. RE2 runs them, in time linear in the text: none can stop who asks. Pure.

The syntax: github.com/google/re2/wiki/Syntax.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

LONGEST = 1_000  # characters: RE2's time and memory grow with it


class Expression(Protocol):
    """A compiled regular expression."""

    def fullmatch(self, text: str, /) -> object | None:
        """Something, if it describes the whole text."""
        ...


@lru_cache(maxsize=1_000)
def expression(text: str) -> Expression:
    """The regular expression in `text`. Raises ValueError if it is none."""
    import re2  # noqa: PLC0415  # 15 ms, only for who writes an expression

    if len(text) > LONGEST:
        raise ValueError(f"a regular expression has at most {LONGEST} characters; this one has {len(text)}")
    options = re2.Options()
    options.log_errors = False
    try:
        compiled: Expression = re2.compile(text, options)
    except re2.error as error:
        told = error.args[0].decode() if isinstance(error.args[0], bytes) else error
        raise ValueError(f'"{text}" is not a regular expression of RE2: {told}') from error
    return compiled
