"""The objects `_streamgauge/` of a magnetic tier: checks their format, and seals those of format 1.

Format 1 had no checksums. Its objects get them before the format becomes 2; a run that was interrupted begins again.
"""

from __future__ import annotations

import logging
import os

from store import layout
from store.errors import DamagedObject, StoreFormatError
from store.objects.checksum import is_sealed, seal
from store.objects.damage import Outcome, report
from store.objects.objects import Objects, open_objects
from store.objects.sealed import SealedObjects

log = logging.getLogger(__name__)

FORMER_VERSION = b"1\n"
RESTORING = b"restoring "  # instead of a format, while a backup is restored: the rest is its name
_VERSION = f"{layout.FORMAT_VERSION}\n".encode()
_PLAIN_MOST_BYTES = 5  # of a format without a checksum: a number and a line feed


def open_state(magnetic_url: str) -> SealedObjects:
    """The objects of the magnetic tier, in the format of this program. Raises StoreFormatError, MagneticTierError."""
    raw = open_objects(url_of(magnetic_url), os.environ)
    objects = SealedObjects(raw)
    if objects.create(layout.FORMAT, _VERSION) and not _has_others(raw):
        return objects
    found = format_of(raw)
    if found == FORMER_VERSION or (found == _VERSION and not _any_sealed(raw)):
        _seal_all(raw)
        objects.put(layout.FORMAT, _VERSION)
    elif found is None:
        report("object", f"{raw.url}/{layout.FORMAT} is damaged, and is made again", Outcome.MADE_AGAIN)
        objects.put(layout.FORMAT, _VERSION)
    elif found.startswith(RESTORING):
        raise StoreFormatError(
            f"{magnetic_url}: a restore of the backup {found.removeprefix(RESTORING).decode(errors='replace').strip()} "
            "did not finish here: run `streamgauge restore` again, with --at if that was not the newest backup"
        )
    elif found != _VERSION:
        raise StoreFormatError(
            f"{layout.OBJECTS}/{layout.FORMAT} of the magnetic tier is {found!r}; this program reads "
            f"{layout.FORMAT_VERSION}, and migrates 1"
        )
    elif raw.get(layout.FORMAT) != seal(layout.FORMAT, _VERSION):
        report("object", f"{raw.url}/{layout.FORMAT}: one bit was flipped, and is repaired", Outcome.REPAIRED)
        objects.put(layout.FORMAT, _VERSION)
    return objects


def state_to_read(magnetic_url: str) -> SealedObjects:
    """The objects of the magnetic tier, of which nothing is changed."""
    return SealedObjects(open_objects(url_of(magnetic_url), os.environ), is_read_only=True)


def url_of(magnetic_url: str) -> str:
    """Where the objects are."""
    return f"{magnetic_url.rstrip('/')}/{layout.OBJECTS}"


def format_of(raw: Objects) -> bytes | None:
    """The format of the objects; None if that is damaged or missing."""
    data = raw.get(layout.FORMAT)
    try:
        return SealedObjects(raw, is_read_only=True).get(layout.FORMAT)
    except DamagedObject:
        is_plain = data is not None and len(data) <= _PLAIN_MOST_BYTES and data.strip().isdigit()
        return data if is_plain else None


def _has_others(raw: Objects) -> bool:
    return any(path != layout.FORMAT for path in raw.list(""))


def _any_sealed(raw: Objects) -> bool:
    """Whether any object but the format has a checksum: if none has, the object of format 1 was lost."""
    paths = [path for path in raw.list("") if path not in {layout.FORMAT, layout.LOCK}]
    return not paths or any(is_sealed(path, raw.get(path) or b"") for path in paths)


def _seal_all(raw: Objects) -> None:
    count = 0
    for path in raw.list(""):
        data = raw.get(path)
        if path in {layout.FORMAT, layout.LOCK} or data is None or is_sealed(path, data):
            continue
        raw.put(path, seal(path, data))
        count += 1
    log.warning("%s: %d objects of format 1 have checksums now; earlier programs cannot read them", raw.url, count)
