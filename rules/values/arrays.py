"""The numpy arrays over series ids in which rules keep their state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Float64s: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.intp]
Bools: TypeAlias = npt.NDArray[np.bool_]

Arrays: TypeAlias = Mapping[str, bytes]
"""Saved arrays, as little-endian bytes, by name."""

Scalar = TypeVar("Scalar", bound=np.generic)

NEVER = int(np.iinfo(np.int64).min)
"""The time of a signal that has had no sample."""


def grown(array: npt.NDArray[Scalar], size: int, fill: float) -> npt.NDArray[Scalar]:
    """`array` with room for `size` elements and some spare, so that it rarely grows; new elements are `fill`."""
    if len(array) >= size:
        return array
    larger = np.full(size + size // 4 + 16, fill, array.dtype)
    larger[: len(array)] = array
    return larger


def packed(array: npt.NDArray[np.generic], kind: type[Scalar]) -> bytes:
    """The elements of `array` as `kind`, little-endian."""
    return array.astype(np.dtype(kind).newbyteorder("<"), copy=False).tobytes()


def unpacked(data: bytes, kind: type[Scalar]) -> npt.NDArray[Scalar]:
    """The elements that `packed` encoded, in this machine's byte order."""
    return np.frombuffer(data, np.dtype(kind).newbyteorder("<")).astype(kind)
