"""Matches names with a LIKE pattern, for lists that need no SQL: `%` is any text, `_` any character.

The time is at most the product of the lengths, for every pattern, because it takes CPU time from the stream.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Like:
    """A pattern, and its escape character, after which `%`, `_` and the character itself are literal."""

    pattern: str
    escape: str | None = None

    def fault(self) -> str | None:
        """The error in the use of the escape character; None if there is none."""
        characters = iter(self.pattern)
        for character in characters:
            if character == self.escape and next(characters, "") not in {"%", "_", self.escape}:
                return "Escape character must be followed by '%', '_' or the escape character itself"
        return None

    def matches(self, name: str) -> bool:
        """Whether the pattern matches the whole of `name`."""
        reached = {0}  # the possible numbers of steps that match the text so far
        steps = self._steps()
        for character in name:
            before = _past_any(reached, steps)
            reached = {
                at if steps[at] is None else at + 1 for at in before if at < len(steps) and _takes(steps[at], character)
            }
            if not reached:
                return False
        return len(steps) in _past_any(reached, steps)

    def _steps(self) -> list[str | None]:
        """One step per character: the character, "" for any one; None is any text. Several `%` are one step."""
        steps: list[str | None] = []
        characters = iter(self.pattern)
        for character in characters:
            if character == self.escape:
                steps.append(next(characters, ""))
            elif character == "_":
                steps.append("")
            elif character != "%":
                steps.append(character)
            elif not steps or steps[-1] is not None:
                steps.append(None)
        return steps


def _takes(step: str | None, character: str) -> bool:
    return not step or step == character


def _past_any(reached: set[int], steps: list[str | None]) -> set[int]:
    """`reached`, and the steps after each `%`, which may match an empty text."""
    return reached | {at + 1 for at in reached if at < len(steps) and steps[at] is None}
