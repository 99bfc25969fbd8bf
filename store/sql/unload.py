"""UNLOAD: what the statement says besides its query, as a table of options.

`UNLOAD (query) TO 's3://bucket/prefix' WITH (option = value, …)`. Reference: Timestream developer guide, "UNLOAD
concepts". What writes the files is given with the request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import pyarrow as pa
from sqlglot.tokenizer_core import Token, TokenType

from store.reading.insights import Exported
from store.sql.bound import Query
from store.sql.result import ResultColumn
from store.sql.text import QueryText, nearest

MIB, GIB = 2**20, 2**30
FILE_LEAST_BYTES, FILE_MOST_BYTES = 16 * MIB, 78 * GIB

_Value: TypeAlias = str | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnloadOptions:
    """How the result is written; the defaults are the service's.

    partitioned_by       the last columns of the query: their values are in the names of folders, not in the files
    max_file_size_bytes  a file that has reached it is followed by another
    """

    partitioned_by: tuple[str, ...] = ()
    format: str = "CSV"
    compression: str = "GZIP"
    field_delimiter: str = ","
    escaped_by: str = "\\"
    include_header: bool = False
    max_file_size_bytes: int = FILE_MOST_BYTES


@dataclass(frozen=True, slots=True)
class Unload:
    """UNLOAD (statement) TO 'to' WITH (options)."""

    statement: Query
    to: str
    options: UnloadOptions = field(default_factory=UnloadOptions)


@dataclass(frozen=True, slots=True)
class Unloaded:
    """What was written, and where the two descriptions of the files are."""

    exported: Exported
    metadata_file: str
    manifest_file: str


class Unloading(Protocol):
    """Writes the result of an UNLOAD. It is sent to the process of the query."""

    def write(self, unload: Unload, columns: Sequence[ResultColumn], batches: Iterator[pa.RecordBatch]) -> Unloaded:
        """Write all batches, and at last the manifest. Raises SqlError, and what the batches raise.

        Nothing is left of an UNLOAD that fails.
        """
        ...


def read_target(query: QueryText, tokens: Sequence[Token]) -> tuple[str, UnloadOptions]:
    """What follows the query of an UNLOAD. Raises SyntaxInvalid, NotSupported."""
    reader = _Reader(query, tokens)
    reader.expect("TO")
    to = reader.text()
    given: dict[str, Any] = {}
    if reader.accept("WITH"):
        reader.expect("(")
        while True:
            name, value = reader.option()
            if name in given:
                raise query.syntax(None, f"the option {name} of UNLOAD is there twice")
            given[name] = value
            if not reader.accept(","):
                break
        reader.expect(")")
    reader.end()
    return to, UnloadOptions(**{name: value for name, value in given.items() if name != "encryption"})


class _Reader:
    """Reads the tokens after the query."""

    def __init__(self, query: QueryText, tokens: Sequence[Token]) -> None:
        self._query = query
        self._tokens = list(tokens)

    def accept(self, word: str) -> bool:
        """Take the next token if it is this one."""
        is_next = bool(self._tokens) and self._tokens[0].text.upper() == word and not self._is_text()
        if is_next:
            self._tokens.pop(0)
        return is_next

    def expect(self, word: str) -> None:
        """Take this token."""
        if not self.accept(word):
            raise self._mismatch(f"'{word}'")

    def text(self) -> str:
        """Take a text in single quotes."""
        if not self._is_text():
            raise self._mismatch("a text in single quotes")
        return self._tokens.pop(0).text

    def option(self) -> tuple[str, Any]:
        """Take `name = value`."""
        if not self._tokens:
            raise self._mismatch("an option")
        token = self._tokens.pop(0)
        name = token.text.lower()
        read = _OPTIONS.get(name)
        if read is None:
            known = nearest(name, _OPTIONS) or f"; there are {', '.join(_OPTIONS)}"
            raise self._query.syntax(token.start, f"UNLOAD has no option '{name}'{known}")
        self.expect("=")
        start = self._tokens[0].start if self._tokens else len(self._query.text)
        try:
            return name, read(self._value())
        except ValueError as error:
            raise self._query.syntax(start, f"the option {name} of UNLOAD {error}") from None

    def end(self) -> None:
        """There is nothing more."""
        if self._tokens:
            raise self._mismatch("<EOF>")

    def _value(self) -> _Value:
        if self.accept("ARRAY"):
            self.expect("[")
            texts = [self.text()]
            while self.accept(","):
                texts.append(self.text())
            self.expect("]")
            return tuple(texts)
        for word in ("TRUE", "FALSE"):
            if self.accept(word):
                return word == "TRUE"
        return self.text()

    def _is_text(self) -> bool:
        return bool(self._tokens) and self._tokens[0].token_type is TokenType.STRING

    def _mismatch(self, expected: str) -> Exception:
        start, found = (
            (self._tokens[0].start, self._tokens[0].text) if self._tokens else (len(self._query.text), "<EOF>")
        )
        return self._query.syntax(start, f"mismatched input '{found}'. Expecting: {expected}")


def _one_of(*words: str) -> Callable[[_Value], str]:
    def read(value: _Value) -> str:
        if not isinstance(value, str) or value.upper() not in words:
            raise ValueError(f"is {value!r}; it can be {' or '.join(words)}")
        return value.upper()

    return read


def _character(value: _Value) -> str:
    if not isinstance(value, str) or len(value) != 1 or not value.isascii() or value in '"\r\n\0':
        raise ValueError(f"is {value!r}; it is one ASCII character, and not a double quote or the end of a line")
    return value


def _flag(value: _Value) -> bool:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value.lower() not in {"true", "false"}:
        raise ValueError(f"is {value!r}; it can be true or false")
    return value.lower() == "true"


def _columns(value: _Value) -> tuple[str, ...]:
    if not isinstance(value, tuple) or len(set(value)) < len(value):
        raise ValueError(f"is {value!r}; it is ARRAY['column', …], each column once")
    return value


_SIZE = re.compile(r"(\d{1,6})\s*(MB|GB)", re.ASCII | re.IGNORECASE)


def _size_bytes(value: _Value) -> int:
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    size = 0 if match is None else int(match[1]) * (MIB if match[2].upper() == "MB" else GIB)
    if not FILE_LEAST_BYTES <= size <= FILE_MOST_BYTES:
        raise ValueError(f"is {value!r}; it can be from 16MB to 78GB")
    return size


def _encryption(value: _Value) -> None:
    if value != "SSE_S3":
        raise ValueError(f"is {value!r}, which is not offered; SSE_S3 leaves it to the bucket")


def _refused(_: _Value) -> None:
    raise ValueError("is not offered: the bucket encrypts, or the disk")


_OPTIONS: Mapping[str, Callable[[_Value], Any]] = {
    "partitioned_by": _columns,
    "format": _one_of("CSV", "PARQUET"),
    "compression": _one_of("GZIP", "NONE"),
    "encryption": _encryption,
    "kms_key": _refused,
    "field_delimiter": _character,
    "escaped_by": _character,
    "include_header": _flag,
    "max_file_size": _size_bytes,
}
