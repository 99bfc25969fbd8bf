"""Keeps backups apart from what is backed up."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.config import Config
from store.errors import BackupError
from store.objects.location import S3Location, locate


def refuse_inside(config: Config, url: str) -> None:
    """Raise BackupError if the place of backups is in the data_dir or the magnetic tier, or the other way round."""
    place, tier = locate(url, os.environ), locate(config.magnetic_url, os.environ)
    for name, other in (("the data_dir", config.layout.data_dir), ("the magnetic tier", tier)):
        one, two = _parts(place), _parts(other)
        if one[: len(two)] == two or two[: len(one)] == one:
            raise BackupError(f"{url} and {name}, {other}, are in each other: keep backups elsewhere, on another disk")


def _parts(place: Path | S3Location) -> tuple[str, ...]:
    return place.resolve().parts if isinstance(place, Path) else ("s3:", *place.key("").rstrip("/").split("/"))
