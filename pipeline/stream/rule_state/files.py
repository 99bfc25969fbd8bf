"""The state of rules in a folder: `<account>/<database>/<table>.state` and `floors.json` ({stream: next offset}).

Each file is replaced atomically after an fsync.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, unquote

import orjson

from store.objects.files import make_folders, write_atomic
from store.record import TableId

FLOORS = "floors.json"
log = logging.getLogger(__name__)


class RuleFiles:
    """The `RuleKeep` of the one worker of a data_dir."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def floors(self) -> dict[str, int]:
        """See `RuleKeep`. A damaged file is reported; nothing is lost: the log holds what no floor covers, and each
        block skips what its state has seen.
        """
        path = self.folder / FLOORS
        if not path.exists():
            return {}
        try:
            return _floors(path.read_bytes())
        except ValueError as error:
            log.warning("the rules are evaluated for the whole log: %s: %s", path, error)
            return {}

    def blocks(self) -> Iterable[tuple[TableId, bytes, str]]:
        """See `RuleKeep`."""
        for file in sorted(self.folder.glob("*/*/*.state")):
            account, database = (unquote(folder.name) for folder in (file.parent.parent, file.parent))
            yield TableId(account, database, unquote(file.stem)), file.read_bytes(), str(file)

    def save(self, block: TableId, data: bytes, offset: int) -> None:  # noqa: ARG002  # a file has one writer
        """See `RuleKeep`."""
        _write(self._file(block), data)

    def remove(self, block: TableId) -> None:
        """See `RuleKeep`."""
        self._file(block).unlink(missing_ok=True)

    def save_floors(self, floors: dict[str, int]) -> None:
        """See `RuleKeep`."""
        _write(self.folder / FLOORS, orjson.dumps(floors))

    def _file(self, block: TableId) -> Path:
        account, database, table = (
            quote(name, safe="").replace(".", "%2E") for name in (block.account, block.database, block.table)
        )
        return self.folder / account / database / f"{table}.state"


def _write(path: Path, data: bytes) -> None:
    make_folders(path.parent)
    write_atomic(path, data)


def _floors(data: bytes) -> dict[str, int]:
    """{stream: next offset}. Raises ValueError if `data` is not that."""
    floors = orjson.loads(data)
    if not isinstance(floors, dict) or not all(isinstance(offset, int) for offset in floors.values()):
        raise ValueError("it does not hold an offset per stream")
    return floors
