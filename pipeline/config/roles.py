"""What a token may do: `read` asks, `write` also adds, `admin` also changes and removes."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """In ascending order: each may what those before it may."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def includes(self, needed: Role) -> bool:
        """Whether what needs the role `needed` is allowed."""
        order = list(Role)
        return order.index(self) >= order.index(needed)
