"""The fields of a payload: its JSON decoded, flattened and split into rows, or the reason why it cannot be.

A JSON object is one body; in an array with objects each element is a body; anything else is a body with the one field
`value`. Nested objects are flattened with `_`; null is absent. If two fields get the same name, the last one that is
not null counts; two objects of the same name are merged. The route decides about arrays (`Arrays`). What orjson refuses
may be understood by `pipeline.stream.normalise.lenient`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeAlias

import orjson

from pipeline.base.errors import PayloadError
from pipeline.log.dead_letter import Reason
from pipeline.stream.normalise.lenient import understood, with_repeated_keys
from pipeline.stream.normalise.routes import Arrays, Route
from pipeline.stream.normalise.showing import shown

Scalar: TypeAlias = str | int | float | bool
Fields: TypeAlias = dict[str, Scalar | None]  # null: the field is present without a value

VALUE = "value"  # the field of a single-value body
MAX_DEPTH = 16  # of nested objects; deeper ones stay JSON text


@dataclass(slots=True)
class Body:
    """The fields of one row. `index` nanoseconds are added to a time that the rows of a message share."""

    fields: Fields
    index: int = 0


class Flattener:
    """Flattens one object. `lists` are the arrays that become rows, `keys` is the number of keys found."""

    __slots__ = ("_arrays", "_each", "dropped", "fields", "keys", "lists")

    def __init__(self, arrays: Arrays, each: str | None) -> None:
        self.fields: Fields = {}
        self.lists: dict[str, list[Any]] = {}
        self.dropped: list[str] = []
        self.keys = 0
        self._arrays = arrays
        self._each = each

    def take(self, body: Mapping[str, Any], prefix: str = "", depth: int = 1) -> None:
        """The fields of the object, with names that begin with `prefix`."""
        fields = self.fields
        self.keys += len(body)
        for key, value in body.items():
            kind = type(value)
            if kind is dict and depth < MAX_DEPTH:
                self.take(value, f"{prefix}{key}_", depth + 1)
            elif kind is dict or kind is list:
                self.put(prefix + key, value, depth)
            elif value is None:
                fields.setdefault(prefix + key, None)
            else:
                name = prefix + key
                fields.pop(name, None)  # so that its place is where it was seen last
                fields[name] = value

    def put(self, name: str, value: Any, depth: int = 1) -> None:
        """Add one value, which may be an object or an array."""
        if isinstance(value, dict) and depth < MAX_DEPTH:
            self.take(value, name + "_", depth + 1)
        elif isinstance(value, list):
            self._put_array(name, value, depth)
        elif isinstance(value, dict):
            self._put_text(name, value)
        elif value is None:
            self.fields.setdefault(name, None)
        else:
            self.fields.pop(name, None)
            self.fields[name] = value

    def _put_array(self, name: str, array: list[Any], depth: int) -> None:
        arrays = self._arrays
        if name == self._each or arrays is Arrays.ROWS:
            self.lists[name] = array
            self.keys += _keys_in(array)
        elif not array or arrays is Arrays.DROP:
            self.fields.setdefault(name, None)
            if array:
                self.dropped.append(name)
                self.keys += _keys_in(array)
        elif arrays is Arrays.INDEX and depth < MAX_DEPTH:
            for number, element in enumerate(array):
                self.put(f"{name}_{number}", element, depth + 1)
        else:
            self._put_text(name, array)

    def _put_text(self, name: str, value: Any) -> None:
        try:
            text = orjson.dumps(value, default=float)  # of a Decimal: see `event_time.decimals`
        except orjson.JSONEncodeError as error:
            raise PayloadError(Reason.TOO_DEEP, f"{shown(name)}: {error}") from error
        self.keys += text.count(b'":')
        self.fields.pop(name, None)
        self.fields[name] = text.decode()


def decoded(payload: bytes) -> Any:
    """The value of a payload. Raises PayloadError."""
    try:
        value = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        return understood(payload, error)
    if has_repeats(payload, _keys_in(value)):
        return with_repeated_keys(payload)
    return value


def has_repeats(payload: bytes, keys: int) -> bool:
    """Whether an object of this JSON may contain a key twice: orjson returned `keys` keys, the last of each name.

    A text that contains `":`, or a blank before a colon, also counts; then the payload is read again, without harm.
    """
    return payload.count(b'":') != keys


def bodies(value: Any, route: Route) -> tuple[list[Body], list[str]]:
    """The bodies of a decoded payload, and the arrays that the route leaves out. Raises PayloadError."""
    if isinstance(value, list) and any(isinstance(element, dict) for element in value):
        found: list[Body] = []
        dropped: list[str] = []
        next_index = 0
        for position, element in enumerate(value):
            if element is not None:
                its_bodies, its_dropped = _rows(element, route, max(position, next_index))
                next_index = max(next_index, *(body.index + 1 for body in its_bodies))
                found += its_bodies
                dropped += its_dropped
        return found, dropped
    return _rows(value, route, 0)


def _rows(value: Any, route: Route, index: int) -> tuple[list[Body], list[str]]:
    """The rows of one element; `index` is its position in the message."""
    flattener = Flattener(route.arrays, route.each)
    if isinstance(value, dict):
        flattener.take(value)
    else:
        flattener.put(VALUE, value)
    if not flattener.lists:
        return [Body(flattener.fields, index if route.time is None else 0)], flattener.dropped
    found = []
    for number, elements in enumerate(zip_longest(*flattener.lists.values())):
        row = Flattener(Arrays.JSON if route.arrays is Arrays.ROWS else route.arrays, None)
        for name, element in zip(flattener.lists, elements, strict=True):
            if isinstance(element, dict):
                row.take(element, "" if name == route.each else name + "_", 2)
            else:
                row.put(name, element, 2)
        flattener.dropped += row.dropped
        if any(value is not None for value in row.fields.values()):
            found.append(Body(_over(flattener.fields, row.fields), _index(row.fields, route, index, number)))
    return found or [Body(flattener.fields, index if route.time is None else 0)], flattener.dropped


def _over(shared: Fields, own: Fields) -> Fields:
    """The fields that all rows share, updated with those of one row."""
    return {name: value for name, value in shared.items() if own.get(name) is None} | {
        name: value for name, value in own.items() if value is not None or name not in shared
    }


def _index(own: Fields, route: Route, index: int, number: int) -> int:
    if route.time is None:
        return index + number
    return number if own.get(route.time.field) is None else 0


def _keys_in(value: Any) -> int:
    """The number of keys of the objects in `value`."""
    keys, waiting = 0, [value]
    while waiting:
        inside = waiting.pop()
        if isinstance(inside, dict):
            keys += len(inside)
            waiting += [inner for inner in inside.values() if type(inner) in (dict, list)]
        elif isinstance(inside, list):
            waiting += [inner for inner in inside if type(inner) in (dict, list)]
    return keys
