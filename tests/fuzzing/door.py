"""What a door is: one place where bytes of somebody else come in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Feed = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Door:
    """One place where bytes of somebody else come in.

    open       opens it over a folder of its own; what it yields takes one input, and lets only errors through that are
               no refusal of bad input
    seeds      good inputs to begin with; those in `corpus/` are added
    max_bytes  of an input
    words      what inputs are made of; the fuzzer puts them in
    """

    open: Callable[[Path], AbstractContextManager[Feed]]
    seeds: Callable[[], Iterable[bytes]]
    max_bytes: int = 2_048
    words: tuple[bytes, ...] = ()


def pure(take: Feed, *refusals: type[Exception]) -> Callable[[Path], AbstractContextManager[Feed]]:
    """`open` of a door that has no state; `refusals` are the errors that its documentation names."""

    @contextmanager
    def opened(_: Path) -> Iterator[Feed]:
        def feed(data: bytes) -> None:
            with suppress(*refusals):
                take(data)

        yield feed

    return opened


class Loop:
    """An event loop that runs one coroutine at a time and ends what it started."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._errors: list[BaseException] = []
        self._loop.set_exception_handler(lambda _, context: self._errors.append(_error_in(context)))

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it. Raises what it raises, and what a task or callback that it started raised."""
        self._loop.run_until_complete(work)
        if self._errors:
            raise self._errors.pop()

    def close(self) -> None:
        """Close it."""
        self._loop.close()


def _error_in(context: dict[str, Any]) -> BaseException:
    error = context.get("exception")
    return error if isinstance(error, BaseException) else RuntimeError(context["message"])
