"""A part of the product that writes files, and can say after any damage to them whether all is there, and true."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class Subject(Protocol):
    """What is damaged."""

    @property
    def kinds(self) -> Mapping[str, str]:
        """The kinds of files, in users' words, and the pattern of each. The last file that is found is damaged."""
        ...

    def make(self, folder: Path) -> Mapping[str, Path]:
        """Folders as processes leave them, by name. `older` is the same at an earlier time; it is not damaged."""
        ...

    def is_whole(self, folder: Path) -> bool:
        """Open a folder, twice; whether all is there, if need be after the log has repeated what it still has.

        Fails if anything is there that was not written, or if the second start finds something else than the first.
        """
        ...
