"""Changes what stands in an encoded document, so that it still decodes: its bytes say which values become which."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import msgspec

_VALUES: Sequence[Any] = (
    None, True, -1, 0, 1, 255, 2**31, 2**63 - 1, -(2**63), 2**64 - 1, 1.5, 1e308, float("nan"),
    "", "x", "/", "../..", "\0", "é" * 100, b"", b"\0" * 8, b"\xff" * 7, [], [[]], {}, {"": None},
)  # fmt: skip
_MOST_EDITS = 8


def edited(document: Any, edits: bytes) -> Any:
    """`document` after the edits: three bytes each, which choose a place, what is done there, and a value."""
    root = [document]
    for at in range(0, min(len(edits) // 3, _MOST_EDITS) * 3, 3):
        places = list(_places(root))
        parent, key = places[edits[at] * len(places) // 256]
        match edits[at + 1] % 4:
            case 0 if isinstance(parent, dict) or parent is not root:
                del parent[key]
            case 1 if isinstance(parent, list) and parent is not root:
                parent.insert(key, deepcopy(parent[key]))
            case 2 if isinstance(parent[key], str | bytes | list):
                parent[key] = parent[key][: edits[at + 2] % (len(parent[key]) + 1)]
            case _:
                parent[key] = deepcopy(_VALUES[edits[at + 2] % len(_VALUES)])
    return root[0]


def _places(node: Any) -> Any:
    """All (container, key) in `node`, at any depth."""
    keys = range(len(node)) if isinstance(node, list) else list(node)
    for key in keys:
        yield node, key
        if isinstance(node[key], list | dict):
            yield from _places(node[key])


def msgpack(take: Callable[[bytes], object], documents: Sequence[bytes]) -> Callable[[bytes], object]:
    """Gives `take` edited MessagePack documents, and the input itself if it begins with a zero byte."""
    return _edits(take, documents, msgspec.msgpack.decode, msgspec.msgpack.encode)


def in_json(take: Callable[[bytes], object], documents: Sequence[bytes]) -> Callable[[bytes], object]:
    """As `msgpack`, for JSON."""
    return _edits(take, documents, json.loads, lambda document: json.dumps(document, default=repr).encode())


def _edits(
    take: Callable[[bytes], object],
    documents: Sequence[bytes],
    decode: Callable[[bytes], Any],
    encode: Callable[[Any], bytes],
) -> Callable[[bytes], object]:
    def feed(data: bytes) -> object:
        if not data:
            return take(b"")
        if data[0] == 0:
            return take(data[1:])
        return take(encode(edited(decode(documents[data[0] % len(documents)]), data[1:])))

    return feed
