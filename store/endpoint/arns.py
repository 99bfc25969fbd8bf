"""Resource names of AWS: `arn:aws:timestream:<region>:<account number>:database/<name>[/table/<name>]`, and
`…:scheduled-query/<name and suffix>`.

Clients expect an account number of twelve digits. Accounts here have names: a name of twelve digits is the number; for
any other name the number is derived from it (its SHA-256, modulo 10^12).
"""

from __future__ import annotations

import hashlib
import re

_NUMBER = re.compile(r"\d{12}", re.ASCII)
_ARN = re.compile(r"arn:[^:]*:timestream:[^:]*:(\d{12}):database/([^/]+)(?:/table/([^/]+))?", re.ASCII)
_SCHEDULED = re.compile(r"arn:[^:]*:timestream:[^:]*:(\d{12}):scheduled-query/(.+)", re.ASCII)


def account_number(account: str) -> str:
    """The account number: twelve digits."""
    if _NUMBER.fullmatch(account):
        return account
    return f"{int.from_bytes(hashlib.sha256(account.encode()).digest()) % 10**12:012}"


def database_arn(region: str, account: str, database: str) -> str:
    """The ARN of a database."""
    return f"arn:aws:timestream:{region}:{account_number(account)}:database/{database}"


def table_arn(region: str, account: str, database: str, table: str) -> str:
    """The ARN of a table."""
    return f"{database_arn(region, account, database)}/table/{table}"


def parse_arn(arn: str, account: str) -> tuple[str, str | None] | None:
    """The database of an ARN of this account, and the table if it names one; None for any other ARN."""
    match = _ARN.fullmatch(arn)
    if match is None or match[1] != account_number(account):
        return None
    return match[2], match[3]


def scheduled_arn(region: str, account: str, query_id: str) -> str:
    """The ARN of a scheduled query."""
    return f"arn:aws:timestream:{region}:{account_number(account)}:scheduled-query/{query_id}"


def parse_scheduled_arn(arn: str, account: str) -> str | None:
    """The id of the scheduled query of an ARN of this account; None for any other ARN."""
    match = _SCHEDULED.fullmatch(arn)
    return match[2] if match is not None and match[1] == account_number(account) else None
