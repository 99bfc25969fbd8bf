"""Several problems in one error: a validator that has checked a whole section reports all of them together."""

from __future__ import annotations

from collections.abc import Sequence

from store.values.yaml_text import KeyPath, Problem


class Problems(ValueError):
    """Raised in validators, where pydantic needs a ValueError; `pipeline.config.load` adds the place of each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{show_path(p.path)}: {p.message}" if p.path else p.message for p in problems))
        self.problems = tuple(problems)


def refuse(problems: Sequence[Problem]) -> None:
    """Raise `Problems` if there are any."""
    if problems:
        raise Problems(problems)


def show_path(path: KeyPath) -> str:
    """`path` in the notation of messages: tables[0].retention.memory."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
