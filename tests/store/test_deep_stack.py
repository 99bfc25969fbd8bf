"""Statements that tests ask in threads leave Python's stack as it was."""

import sys

from store.sql.parse import STACK_FRAMES
from store.testing import deep_stack


def test_the_limit_is_that_of_before_whichever_statement_ends_last() -> None:
    before = sys.getrecursionlimit()
    first, second = deep_stack(), deep_stack()

    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    between = sys.getrecursionlimit()
    second.__exit__(None, None, None)

    assert (between, sys.getrecursionlimit()) == (max(before, STACK_FRAMES), before)
