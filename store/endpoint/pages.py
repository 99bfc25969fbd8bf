"""Lists in pages: a token is the last name of the previous page, encoded so that clients do not depend on it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from store.endpoint.errors import Validation

T = TypeVar("T")

PAGE_MAX = 20


def page(
    request: Mapping[str, Any],
    items: Sequence[T],
    key: Callable[[T], str],
    member: str,
    body: Callable[[T], object],
    *,
    most: int = PAGE_MAX,
) -> dict[str, object]:
    """The response of a List operation: `items` (sorted by `key`) after the request's token. Raises Validation.

    `most`: if the request has no MaxResults.
    """
    after = _after(request.get("NextToken"))
    rest = [item for item in items if key(item) > after]
    count = request.get("MaxResults") or most
    answer: dict[str, object] = {member: [body(item) for item in rest[:count]]}
    if len(rest) > count:
        answer["NextToken"] = base64.urlsafe_b64encode(key(rest[count - 1]).encode()).decode()
    return answer


def _after(token: str | None) -> str:
    if token is None:
        return ""
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):  # ValueError: not ASCII, or not UTF-8 inside
        raise Validation("Invalid pagination token") from None
