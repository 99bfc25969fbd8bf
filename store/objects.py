"""Stand-in until the branch with object stores lands: small objects in a local folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from store.files import fsync_folder, make_folders


class Objects:
    """Small durable objects below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _aside(self, path: str, data: bytes) -> tuple[Path, Path]:
        target = self._folder / path
        make_folders(target.parent)
        aside = target.with_name(f".{secrets.token_hex(8)}.new")
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return target, aside

    def put(self, path: str, data: bytes) -> None:
        """Replace."""
        target, aside = self._aside(path, data)
        aside.replace(target)
        fsync_folder(target.parent)

    def create(self, path: str, data: bytes) -> bool:
        """Make it unless it is there."""
        target, aside = self._aside(path, data)
        try:
            os.link(aside, target)
        except FileExistsError:
            return False
        finally:
            aside.unlink()
        fsync_folder(target.parent)
        return True

    def get(self, path: str) -> bytes | None:
        """What it holds."""
        try:
            return (self._folder / path).read_bytes()
        except FileNotFoundError:
            return None

    def list(self, prefix: str) -> list[str]:
        """Paths that begin so."""
        root = self._folder / prefix.rsplit("/", 1)[0] if "/" in prefix else self._folder
        if not root.exists():
            return []
        found = [p.relative_to(self._folder).as_posix() for p in root.rglob("*") if p.is_file()]
        return sorted(path for path in found if path.startswith(prefix) and not path.endswith(".new"))

    def delete(self, path: str) -> None:
        """Remove it if it is there."""
        (self._folder / path).unlink(missing_ok=True)


def open_objects(url: str) -> Objects:
    """The objects at `url`."""
    return Objects(Path(url.removeprefix("file://")))
