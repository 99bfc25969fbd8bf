"""Reads payloads that are not valid JSON: near-JSON as JSON, and a bare word as a number, a boolean or text.

Called only for what orjson refuses, so it may be slow; its duration is bounded by the size of the payload. The rules:
bytes after a NUL are ignored; a byte order mark means UTF-16, and an object that is not UTF-8 is Windows-1252; bare
`nan` and `inf` in any spelling are no value; `+5.2`, `.5` and `5.` are numbers; other bare words (also keys) are text;
single quotes are quotes; a missing value is null; a superfluous comma is ignored; several objects in sequence are an
array. Refused: truncated payloads, and bytes that are not text.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Any

import orjson

from pipeline.base.errors import PayloadError
from pipeline.log.dead_letter import Reason
from pipeline.stream.normalise.showing import shown

_OPENING = "{[\"'"
_PART = re.compile(
    r"""\s* (?: (?P<text> "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' )
            | (?P<mark> [{}\[\]:,] )
            | (?P<bare> [^\s{}\[\]:,"']+ ) )""",
    re.VERBOSE | re.DOTALL,
)
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_NOT_A_NUMBER = re.compile(r"[+-]?(?:nan(?:\(.*\))?|inf(?:inity)?|ovf|1\.#\w+)", re.IGNORECASE | re.ASCII)
_WORDS = {"true": "true", "false": "false", "null": "null"}
_ESCAPE = re.compile(r'\\(["\\/bfnrtu]|)')
_BINARY = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def understood(payload: bytes, error: orjson.JSONDecodeError) -> Any:
    """The value of `payload`, which orjson refused with `error`. Raises PayloadError."""
    text = _text_of(payload, error)
    if not text:
        raise PayloadError(Reason.EMPTY_PAYLOAD, f"{len(payload)} bytes and nothing in them") from error
    if text[0] not in _OPENING:
        if _BINARY.search(text):
            raise PayloadError(Reason.INVALID_JSON, f"neither JSON nor text: {shown(text)}") from error
        return json.loads(_bare(text), parse_int=_integer)
    try:
        values = _values(_repaired(text))
    except RecursionError:
        raise PayloadError(Reason.TOO_DEEP, f"more levels than can be read: {error}") from error
    except ValueError:
        raise PayloadError(Reason.INVALID_JSON, f"{error}: {shown(text)}") from error
    return values[0] if len(values) == 1 else values


def with_repeated_keys(payload: bytes) -> Any:
    """The value of JSON with repeated keys: the last one that is not null counts, and objects are merged."""
    return json.loads(payload, object_pairs_hook=_merged, parse_int=_integer)


def _text_of(payload: bytes, error: orjson.JSONDecodeError) -> str:
    if payload.startswith(_UTF_16):
        return payload.decode("utf-16", "replace").strip()
    text_bytes = payload.removeprefix(codecs.BOM_UTF8).partition(b"\0")[0].strip()
    try:
        return text_bytes.decode()
    except UnicodeDecodeError as utf8_error:
        if text_bytes[:1] not in (b"{", b"["):
            raise PayloadError(Reason.INVALID_UTF8, str(utf8_error)) from error
        return text_bytes.decode("cp1252", "replace")


def _repaired(text: str) -> str:
    """Valid JSON with the meaning of the text. Raises ValueError."""
    out: list[str] = []
    before, at = "", 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None:
            raise ValueError(f"cut off at character {at}")
        part, at = match[match.lastgroup or 0], match.end()
        if match.lastgroup == "mark":
            if part in ",}" and before == ":":
                out.append("null")
            elif part in "}]" and before == ",":
                out.pop()
        else:
            part = _bare(part) if match.lastgroup == "bare" else _quoted(part)
            if out and before not in ("{", "[", ",", ":"):
                raise ValueError(f"two values next to each other at character {at}")
        out.append(part)
        before = part
    return "".join(out)


def _bare(word: str) -> str:
    """The JSON of a word without quotes."""
    if _JSON_NUMBER.fullmatch(word):
        return word
    if _NOT_A_NUMBER.fullmatch(word):
        return "NaN"
    if _NUMBER.fullmatch(word):
        return repr(float(word)) if abs(float(word)) != float("inf") else "NaN"
    return _WORDS.get(word.lower()) or json.dumps(word)


def _quoted(text: str) -> str:
    """The JSON of a text in single or double quotes."""
    if text[0] == "'":
        text = '"' + text[1:-1].replace("\\'", "'").replace('\\"', '"').replace('"', '\\"') + '"'
    value: str = json.loads(_ESCAPE.sub(_good_escape, text), strict=False)
    return json.dumps(value.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _good_escape(found: re.Match[str]) -> str:
    return found[0] if found[1] else r"\\"


def _values(text: str) -> list[Any]:
    """The values in sequence: one value, or several objects. Raises ValueError."""
    decoder = json.JSONDecoder(object_pairs_hook=_merged, parse_int=_integer)
    values, at = [], 0
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        values.append(value)
    if not values or (len(values) > 1 and not all(isinstance(value, dict) for value in values)):
        raise ValueError("values next to each other")
    return values


def _merged(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for key, value in pairs:
        _put(body, key, value)
    return body


def _put(body: dict[str, Any], key: str, value: Any) -> None:
    earlier = body.get(key)
    if isinstance(value, dict) and isinstance(earlier, dict):
        for inner_key, inner in value.items():
            _put(earlier, inner_key, inner)
    elif value is not None or key not in body:
        body[key] = value


def _integer(digits: str) -> int | float:
    """As in orjson: a double beyond 64 bits."""
    if len(digits) > 20:
        return float(digits)
    value = int(digits)
    return value if -(2**63) <= value < 2**64 else float(value)
