"""Functions of bytes: their texts, digests and parts. Timestream's reference has none; these are Trino's.

`utf8_repaired` and `xxhash64` are functions of ours in DuckDB (`store.engine.vectorised`).
"""

from __future__ import annotations

from store.sql.functions.function import Overload, family, scalar
from store.sql.types import BIGINT, VARBINARY, VARCHAR

_PADDED = "rpad({0}, CAST((length({0}) + 3) // 4 * 4 AS INTEGER), '=')"
_NO_URL = "CASE WHEN regexp_matches({0}, '[+/]') THEN error('Illegal base64 character in ' || {0}) ELSE {0} END"
# of {0} from byte `f` on, counted from 1
_START = "CASE WHEN {1} < 0 THEN octet_length({0}) + {1} + 1 ELSE {1} END"
_PART = f"list_extract(list_transform([{_START}], lambda f: CASE WHEN f < 1 THEN ''::BLOB ELSE {{}} END), 1)"


def _of_parts(length: str) -> str:
    return f"CASE WHEN {{nulls}} THEN NULL ELSE {_PART.replace('{}', f'array_slice({{0}}, f, {length})')} END"


PARTS_OF_BINARY = (
    Overload((VARBINARY, BIGINT), VARBINARY, _of_parts("octet_length({0})"), once=True),
    Overload((VARBINARY, BIGINT, BIGINT), VARBINARY, _of_parts("f - 1 + greatest({2}, 0)"), once=True),
)
"""The forms of `substr`."""

REVERSED = Overload(
    (VARBINARY,), VARBINARY, "unhex(array_to_string(list_reverse(regexp_extract_all(hex({0}), '..')), ''))"
)

BINARY = family(
    scalar("to_utf8", Overload((VARCHAR,), VARBINARY, "encode({0})")),
    scalar("from_utf8", Overload((VARBINARY,), VARCHAR, "coalesce(TRY(decode({0})), utf8_repaired({0}))")),
    scalar("to_hex", Overload((VARBINARY,), VARCHAR, "hex({0})")),
    scalar(
        "from_hex",
        Overload(
            (VARCHAR,),
            VARBINARY,
            "CASE WHEN length({0}) % 2 = 1 THEN error('invalid input length ' || length({0})) ELSE unhex({0}) END",
        ),
    ),
    scalar("to_base64", Overload((VARBINARY,), VARCHAR, "to_base64({0})")),
    scalar("from_base64", Overload((VARCHAR,), VARBINARY, f"from_base64({_PADDED})")),
    scalar("to_base64url", Overload((VARBINARY,), VARCHAR, "translate(to_base64({0}), '+/', '-_')")),
    scalar(
        "from_base64url",
        Overload(
            (VARCHAR,), VARBINARY, f"from_base64(translate({_PADDED.replace('{0}', f'({_NO_URL})')}, '-_', '+/'))"
        ),
    ),
    *(scalar(name, Overload((VARBINARY,), VARBINARY, f"unhex({name}({{0}}))")) for name in ("md5", "sha1", "sha256")),
    scalar("xxhash64", Overload((VARBINARY,), VARBINARY, "xxhash64({0})")),
    scalar("to_big_endian_64", Overload((BIGINT,), VARBINARY, "unhex(lpad(hex({0}), 16, '0'))")),
    scalar(
        "from_big_endian_64",
        Overload(
            (VARBINARY,),
            BIGINT,
            "CASE WHEN octet_length({0}) <> 8 THEN error('expected 8-byte input, but got instead: '"
            " || octet_length({0})) ELSE CAST(CAST(CAST('0x' || hex({0}) AS UBIGINT) AS BIT) AS BIGINT) END",
        ),
    ),
)
