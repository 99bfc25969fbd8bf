"""Keys are packed once, and come out as if they were packed at each snapshot."""

from __future__ import annotations

import msgspec
import pytest

from rules.saved.snapshot import PackedKeys, decode_state, encode_state
from store.record import SeriesKey


@pytest.mark.parametrize("sizes", [[0], [1, 15], [0, 15, 16], [16, 16], [65_535, 65_536]])
def test_the_first_keys_are_a_list_of_any_size_however_they_became_more(sizes: list[int]) -> None:
    keys = [SeriesKey((("s", str(number)),) if number % 3 else (), "m") for number in range(max(sizes))]
    packed = PackedKeys()

    for size in sizes:
        found = packed.first(keys, size)

        assert bytes(found) == msgspec.msgpack.encode([(key.measure_name, key.dimensions) for key in keys[:size]])
        assert decode_state(encode_state({}, found, {}, {})).series_keys() == keys[:size]
