"""Results with every type and every odd value, for what encodes them."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pyarrow as pa

from store.sql import ArrayType, MapType, ResultColumn, ResultSet, RowType, ScalarType, SqlType, TimeSeriesType

NESTED = ArrayType(RowType((("x", ScalarType.VARCHAR), ("y", ScalarType.DOUBLE))))
PARTS = (
    NESTED,
    TimeSeriesType(ScalarType.DOUBLE),
    TimeSeriesType(ArrayType(ScalarType.BIGINT)),
    MapType(ScalarType.VARCHAR, ScalarType.TIMESTAMP),
    RowType((("", ScalarType.BOOLEAN), ("x", ArrayType(ArrayType(ScalarType.DATE))))),
)
"""Some types of values with parts."""
_INT64 = (-(2**63), 2**63 - 1)
_DOUBLES = (0.0, -0.0, math.nan, math.inf, -math.inf, 1e7, 9999999.999999998, 1e-3, 9.99e-4, 1e16, 1e15, 1e-4, 9.9e-5)
_EXTREME = (5e-324, -1.7976931348623157e308, 2.0**53 + 2, 0.1 + 0.2)
_TEXTS = ("", "plain", 'a "b"', "a,b", "☃ ö 𝄞", "a\\b", "line\nfeed", "\t\x01\x7f", "\r", "null", "\0", "\u2028")


def value(rng: random.Random, kind: SqlType) -> object:
    """A value of this type, in the form of the store."""
    match kind:
        case ScalarType.VARCHAR | ScalarType.JSON:
            return rng.choice(_TEXTS) + rng.choice(["", str(rng.randrange(1000))])
        case ScalarType.BOOLEAN:
            return rng.random() < 0.5
        case ScalarType.INTEGER:
            return rng.choice([0, -(2**31), 2**31 - 1, rng.randrange(-(2**31), 2**31)])
        case ScalarType.BIGINT | ScalarType.TIMESTAMP:
            return rng.choice([0, -1, *_INT64, 1_795_428_000 * 10**9 + rng.choice([0, 5, 10**8]), rng.randint(*_INT64)])
        case ScalarType.DOUBLE:
            exact = math.ldexp(rng.uniform(-1, 1), rng.randrange(-1070, 1024))
            return rng.choice([rng.choice(_DOUBLES), rng.choice(_EXTREME), exact, round(rng.gauss(20, 3), 1)])
        case ScalarType.DATE:
            return rng.randrange(-100_000, 100_000)
        case ScalarType.TIME:
            return rng.randrange(86_400 * 10**9)
        case ScalarType.INTERVAL_DAY_TO_SECOND:
            return rng.randint(-(10**18), 10**18)
        case ScalarType.INTERVAL_YEAR_TO_MONTH:
            return rng.randint(-1000, 1000)
        case ScalarType.VARBINARY:
            return rng.randbytes(rng.randrange(4))
        case ScalarType.UNKNOWN:
            return None
    return _with_parts(rng, kind)


def _with_parts(rng: random.Random, kind: SqlType) -> object:
    match kind:
        case ArrayType():
            return [part(rng, kind.element) for _ in range(rng.randrange(3))]
        case RowType():
            return {f"f{place}": part(rng, field) for place, (_, field) in enumerate(kind.fields)}
        case TimeSeriesType():
            times = [value(rng, ScalarType.TIMESTAMP) for _ in range(rng.randrange(3))]
            return [{"f0": time, "f1": part(rng, kind.value)} for time in times]
        case MapType():
            keys = [value(rng, kind.key) for _ in range(rng.randrange(3))]
            return [{"f0": key, "f1": part(rng, kind.value)} for key in keys]
    raise AssertionError(kind)


def part(rng: random.Random, kind: SqlType) -> object:
    """The same, or null."""
    return None if rng.random() < 0.2 else value(rng, kind)


def arrow_type(kind: SqlType) -> pa.DataType:
    """The Arrow type of such a column."""
    simple = {
        ScalarType.VARCHAR: pa.string(),
        ScalarType.JSON: pa.string(),
        ScalarType.BOOLEAN: pa.bool_(),
        ScalarType.INTEGER: pa.int32(),
        ScalarType.UNKNOWN: pa.int32(),
        ScalarType.VARBINARY: pa.binary(),
        ScalarType.DOUBLE: pa.float64(),
    }
    match kind:
        case ArrayType():
            return pa.list_(arrow_type(kind.element))
        case RowType():
            return pa.struct([(f"f{place}", arrow_type(field)) for place, (_, field) in enumerate(kind.fields)])
        case TimeSeriesType() | MapType():
            return arrow_type(kind.rows)
    return simple.get(kind, pa.int64()) if isinstance(kind, ScalarType) else pa.int64()


def result_set(rng: random.Random, kinds: Sequence[SqlType], rows: int, *, nulls: float = 0.2) -> ResultSet:
    """A result with such columns, in several chunks; `nulls` is the ratio of null."""
    table = pa.Table.from_arrays(
        [
            pa.chunked_array(
                [
                    pa.array(
                        [None if rng.random() < nulls else value(rng, kind) for _ in range(size)], arrow_type(kind)
                    )
                    for size in (rows // 3, rows - rows // 3)
                ]
            )
            for kind in kinds
        ],
        [f"c{number}" for number in range(len(kinds))],
    )
    columns = tuple(ResultColumn(rng.choice(["a", "b", 'c "d"', ""]), kind) for kind in kinds)
    return ResultSet(columns, table, rng.random() < 0.5)


def some_kinds(rng: random.Random) -> list[SqlType]:
    """One to eight types, in any order."""
    return [rng.choice([*ScalarType, *PARTS]) for _ in range(rng.randrange(1, 9))]
