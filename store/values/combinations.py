"""The distinct combinations of values in the rows of several columns of text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def combinations(columns: Sequence[pa.Array]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The first row of each combination, and the number of the combination of each row. Null is a value of its own."""
    found = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        codes = coded.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False) + 1
        # numbered anew each time, so that the product stays below the number of rows squared
        found = np.unique(found * (len(coded.dictionary) + 1) + codes, return_inverse=True)[1]
    _, first, found = np.unique(found, return_index=True, return_inverse=True)
    return first, found.astype(np.int64)
