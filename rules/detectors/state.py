"""The state of a detector: named arrays over series, which are copied out for a step, and back after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from rules.values.arrays import Float64s, Indices

Kept: TypeAlias = dict[str, Float64s]
"""What is kept of the series of one step, by the name of its field: a copy, which a detector changes."""


@dataclass(frozen=True, slots=True)
class Field:
    """One array: a number for each series, or `width` of them. New series have `fill`.

    Whole numbers (`<u2`) stay at the largest that they can hold.
    """

    name: str
    width: int = 0
    dtype: str = "<f4"
    fill: float = 0.0

    def make(self, size: int) -> npt.NDArray[np.generic]:
        """The array for `size` new series."""
        return np.full((size, self.width) if self.width else size, self.fill, self.dtype)

    def stored(self, values: Float64s) -> Float64s:
        """Values as the array can take them."""
        dtype = np.dtype(self.dtype)
        return np.minimum(values, np.iinfo(dtype).max) if dtype.kind == "u" else values

    @property
    def size_bytes(self) -> int:
        """How much it takes of each series."""
        return np.dtype(self.dtype).itemsize * max(self.width, 1)


class State:
    """The arrays of these fields over series 0 … size - 1."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self._fields = tuple(fields)
        self._arrays = {field.name: field.make(0) for field in fields}

    @property
    def series_bytes(self) -> int:
        """What one series takes."""
        return sum(field.size_bytes for field in self._fields)

    def grow(self, size: int) -> None:
        """Make room for the series below `size`, and some spare."""
        for field in self._fields:
            array = self._arrays[field.name]
            if size > len(array):
                more = field.make(size + size // 4 + 16 - len(array))
                self._arrays[field.name] = np.concatenate([array, more])

    def take(self, rows: Indices) -> Kept:
        """What is kept of these series, in this order."""
        place = _place(rows)
        return {name: array[place].astype(np.float64) for name, array in self._arrays.items()}

    def column(self, name: str, rows: Indices) -> Float64s:
        """What one array has of these series; a copy."""
        return self._arrays[name][rows].astype(np.float64)

    def put(self, rows: Indices, kept: Kept) -> None:
        """Keep this of these series."""
        place = _place(rows)
        for field in self._fields:
            self._arrays[field.name][place] = field.stored(kept[field.name])

    def snapshot(self, rows: Indices) -> dict[str, bytes]:
        """What is kept of these series, little-endian."""
        place = _place(rows)
        return {name: array[place].tobytes() for name, array in self._arrays.items()}

    def restore(self, arrays: Mapping[str, bytes], rows: Indices) -> None:
        """Restore what was saved of these series. Raises KeyError or ValueError if it is not of these fields."""
        for field in self._fields:
            saved = np.frombuffer(arrays[field.name], field.dtype)
            self._arrays[field.name][rows] = saved.reshape(len(rows), field.width) if field.width else saved


def _place(rows: Indices) -> Indices | slice:
    """The same rows; as a slice, which is much faster, if they follow each other."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (rows[1:] > rows[:-1]).all():
        return slice(int(rows[0]), int(rows[0]) + len(rows))
    return rows
