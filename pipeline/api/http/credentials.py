"""The account and role of a request, from its bearer token or its AWS signature.

Without configured tokens (loopback only) every request has the account `default` and every role. With tokens, a request
has one (`Authorization: Bearer …`), or is signed by an AWS client whose access key id is the account's name and whose
secret access key is one of its tokens.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pipeline.api.http import signature
from pipeline.base.errors import Forbidden, Unauthenticated
from pipeline.config.roles import Role
from store.record import DEFAULT_ACCOUNT


@dataclass(frozen=True, slots=True)
class Who:
    """An account, and the role in it."""

    account: str
    role: Role

    def need(self, role: Role, what: str) -> None:
        """Raise Forbidden unless the role includes `role`, which `what` needs."""
        if not self.role.includes(role):
            raise Forbidden(f"this token has the role {self.role}; {what} needs {role}", role.value)


@dataclass(frozen=True, slots=True)
class Grant:
    """A configured token."""

    token: str = field(repr=False)
    who: Who


EVERYONE = Who(DEFAULT_ACCOUNT, Role.ADMIN)


class Credentials:
    """The configured tokens."""

    def __init__(self, grants: Iterable[Grant]) -> None:
        self._grants = tuple(grants)

    @property
    def are_needed(self) -> bool:
        """Whether there are tokens; without them everybody on this machine may do everything."""
        return bool(self._grants)

    def bearer(self, authorization: str | None) -> Who:
        """The account and role of a plain request. Raises Unauthenticated."""
        if not self._grants:
            return EVERYONE
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() == "bearer":
            for grant in self._grants:
                if hmac.compare_digest(grant.token.encode(), token.strip().encode()):
                    return grant.who
        raise Unauthenticated("this server asks for a token: send the header Authorization: Bearer TOKEN")

    def may_have_signed(self, headers: Mapping[str, str]) -> bool:
        """Whether the headers name an account as the signer: before the body is read, which the signature is of."""
        if not self._grants:
            return True
        signed = signature.parse(headers.get("authorization", ""))
        return signed is not None and any(grant.who.account == signed.access_key for grant in self._grants)

    def signer(self, headers: Mapping[str, str], body: bytes, now_ns: int) -> Who | None:
        """The account and role of a request signed by an AWS client, or None if no known account signed it."""
        if not self._grants:
            return EVERYONE
        signed = signature.parse(headers.get("authorization", ""))
        if signed is None:
            return None
        of_account = (grant for grant in self._grants if grant.who.account == signed.access_key)
        valid = (grant for grant in of_account if signature.is_valid(signed, [grant.token], headers, body, now_ns))
        return next((grant.who for grant in valid), None)
