"""The name of the zone a record is in, from its table's zone template: text with `{dimension}` in it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PLACE = re.compile(r"\{([^{}]*)\}")


def zone_of(template: str | None, dimensions: Mapping[str, str]) -> str | None:
    """The name of the zone such a record is in: the template with its dimensions; None where one is missing."""
    if template is None:
        return None
    if _PLACE.search(template) is None:
        return dimensions.get(template)
    if any(place[1] not in dimensions for place in _PLACE.finditer(template)):
        return None
    return _PLACE.sub(lambda place: dimensions[place[1]], template)
