"""A double as text is what Java writes, also where a cast makes the text."""

import random
import struct

from sql_database import Database

from store.sql.values import format_double

EDGES = [0.0, -0.0, 1e-3, 9.99e-4, 1e7, 9999999.0, 1e16, 1e17, 1e-5, 123456789.125, 1.5e300, -1.5e-300, 5e-324, 100.0]


def test_a_cast_writes_a_double_as_a_result_does(empty: Database) -> None:
    rng = random.Random(7)
    values = [
        *EDGES,
        *(struct.unpack("<d", rng.randbytes(8))[0] for _ in range(300)),
        *(rng.uniform(-1, 1) * 10 ** rng.randrange(-12, 20) for _ in range(300)),
    ]
    values = [value for value in values if value - value == 0]  # finite
    listed = ", ".join(f"({place}, CAST('{value!r}' AS DOUBLE))" for place, value in enumerate(values))

    rows = empty.rows(f"SELECT i, CAST(x AS VARCHAR) FROM (VALUES {listed}) AS t(i, x) ORDER BY i")

    assert [text for _, text in rows] == [format_double(value) for value in values]


def test_what_is_no_number_has_a_text_too(empty: Database) -> None:
    texts = ", ".join(f"CAST({value} AS VARCHAR)" for value in ("nan()", "-infinity()", "0.0 / x"))

    assert empty.rows(f"SELECT {texts} FROM (VALUES 0.0) AS t(x)") == [("NaN", "-Infinity", "NaN")]
