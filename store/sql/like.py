"""A LIKE pattern against a name, for lists that are answered without SQL: `%` is any text, `_` any character.

The time is the product of the lengths at most, whatever the pattern: this runs beside the stream.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Like:
    """A pattern, and the character after which `%`, `_` and itself stand for themselves."""

    pattern: str
    escape: str | None = None

    def fault(self) -> str | None:
        """What is wrong with the escapes; None if nothing is."""
        characters = iter(self.pattern)
        for character in characters:
            if character == self.escape and next(characters, "") not in {"%", "_", self.escape}:
                return "Escape character must be followed by '%', '_' or the escape character itself"
        return None

    def matches(self, name: str) -> bool:
        """Whether the whole of `name` is of this pattern."""
        reached = {0}  # how many steps of the pattern what was read so far may have taken
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
        """One a character to read: itself, "" for any; None is any text. Runs of `%` are one."""
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
    """`reached`, and what follows a `%`, which may be no text at all."""
    return reached | {at + 1 for at in reached if at < len(steps) and steps[at] is None}
