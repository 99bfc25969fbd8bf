"""The roles of tokens: `read` asks, `write` also adds, `admin` also changes and removes."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """In ascending order: each includes the roles before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def includes(self, needed: Role) -> bool:
        """Whether this role allows what needs the role `needed`."""
        order = list(Role)
        return order.index(self) >= order.index(needed)
