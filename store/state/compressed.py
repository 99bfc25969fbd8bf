"""Bytes compressed by zstd, together with their size."""

from __future__ import annotations

import pyarrow as pa

MOST_BYTES = 2**32  # more than anything that is saved; a damaged size would reserve more memory than there is


def compressed(data: bytes) -> bytes:
    """`data` compressed."""
    packed: bytes = pa.compress(data, codec="zstd", asbytes=True)
    return packed


def decompressed(packed: bytes, size_bytes: int) -> bytes:
    """The bytes that were compressed; there were `size_bytes`. Raises ValueError, OSError, pyarrow.ArrowException."""
    if not 0 <= size_bytes <= MOST_BYTES:
        raise ValueError(f"{size_bytes} bytes before compression; at most {MOST_BYTES} can be")
    data: bytes = pa.decompress(packed, decompressed_size=size_bytes, codec="zstd", asbytes=True)
    return data
