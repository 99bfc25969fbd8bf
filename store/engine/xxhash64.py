"""XXH64 with seed 0, of many texts at once: those of one length are the rows of a matrix of bytes.

Specification: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md, "XXH64 Algorithm Description".
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Words: TypeAlias = npt.NDArray[np.uint64]

_STRIPE = 32  # bytes
_P1, _P2, _P3, _P4, _P5 = (
    np.uint64(prime)
    for prime in (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
)
_ZERO = np.uint64(0)


def hashes(texts: npt.NDArray[np.uint8]) -> Words:
    """The hash of each row of a matrix of bytes."""
    count, length = texts.shape
    with np.errstate(over="ignore"):  # all arithmetic is modulo 2⁶⁴
        whole = length // _STRIPE * _STRIPE
        found = _of_stripes(_lanes(texts[:, :whole], "<u8")) if whole else np.full(count, _P5)
        return _mixed(_with_rest(found + np.uint64(length), texts[:, whole:]))


def _lanes(texts: npt.NDArray[np.uint8], kind: str) -> Words:
    return np.ascontiguousarray(texts).view(kind).astype(np.uint64)


def _rotated(words: Words, bits: int) -> Words:
    return (words << np.uint64(bits)) | (words >> np.uint64(64 - bits))


def _round(state: Words | np.uint64, lane: Words) -> Words:
    return _rotated(state + lane * _P2, 31) * _P1


def _of_stripes(lanes: Words) -> Words:
    states: list[Words] = [np.full(len(lanes), start) for start in (_P1 + _P2, _P2, _ZERO, _ZERO - _P1)]
    for place in range(0, lanes.shape[1], 4):
        states = [_round(state, lanes[:, place + number]) for number, state in enumerate(states)]
    found = np.zeros(len(lanes), np.uint64)
    for state, bits in zip(states, (1, 7, 12, 18), strict=True):
        found = found + _rotated(state, bits)
    for state in states:
        found = (found ^ _round(_ZERO, state)) * _P1 + _P4
    return found


def _with_rest(found: Words, rest: npt.NDArray[np.uint8]) -> Words:
    length = rest.shape[1]
    eights, fours = length // 8 * 8, length // 4 * 4
    for lane in _lanes(rest[:, :eights], "<u8").T if eights else ():
        found = _rotated(found ^ _round(_ZERO, lane), 27) * _P1 + _P4
    for lane in _lanes(rest[:, eights:fours], "<u4").T if fours > eights else ():
        found = _rotated(found ^ (lane * _P1), 23) * _P2 + _P3
    for lane in rest[:, fours:].astype(np.uint64).T:
        found = _rotated(found ^ (lane * _P5), 11) * _P1
    return found


def _mixed(found: Words) -> Words:
    found = (found ^ (found >> np.uint64(33))) * _P2
    found = (found ^ (found >> np.uint64(29))) * _P3
    return found ^ (found >> np.uint64(32))
