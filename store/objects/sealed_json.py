"""Small JSON documents that contain a checksum of their other fields, under the key `checksum`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from store.objects.checksum import checksum

KEY = "checksum"


def write(fields: Mapping[str, Any], *, indent: int | None = None) -> bytes:
    """The document with these fields and their checksum."""
    return json.dumps({**fields, KEY: _of(fields)}, indent=indent).encode()


def read(data: bytes | str) -> Any:
    """The content of a document, with its checksum, which is not checked; None if it is no JSON."""
    try:
        return json.loads(data)
    except ValueError:
        return None


def has_seal(fields: Any) -> bool:
    """Whether the document has a checksum; those of earlier versions have none."""
    return isinstance(fields, dict) and KEY in fields


def is_sealed(fields: Any) -> bool:
    """Whether the document has a checksum that matches."""
    return has_seal(fields) and fields[KEY] == _of({name: value for name, value in fields.items() if name != KEY})


def _of(fields: Mapping[str, Any]) -> str:
    return checksum(json.dumps(fields, sort_keys=True).encode(), KEY).hex()
