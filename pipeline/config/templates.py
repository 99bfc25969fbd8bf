"""The templates of a table: which MQTT topics belong to it, which of their levels are dimensions, and what its zone is.

An MQTT topic template is a topic filter of MQTT (3.1.1 section 4.7: `+` is one level, `#` the rest, as the last level)
in which `{name}` matches one level and makes it a dimension. The template `#` alone matches every MQTT topic and names
its levels topic_1, topic_2 and so on. A zone template is a text with `{dimension}` in it, or the name of one dimension.
Text in, values out; `pipeline.stream.normalise` matches messages.
"""

from __future__ import annotations

from pipeline.config.names import check_dimension
from store.values.templates import level_name, names_in

_MAX_TOPIC_BYTES = 65_535  # MQTT 3.1.1, section 1.5.3: a string's length is two bytes


def topic_dimensions(template: str) -> tuple[str, ...]:
    """The dimensions in a topic template, in order; none for `#`. Raises ValueError if it is not a valid template."""
    if not template or len(template.encode()) > _MAX_TOPIC_BYTES or "\0" in template:
        raise ValueError(f"{template[:80]!r} is no MQTT topic: it has 1-{_MAX_TOPIC_BYTES} bytes, none of them zero")
    levels = template.split("/")
    names: list[str] = []
    for number, level in enumerate(levels, start=1):
        name = _level_dimension(template, level, is_last=number == len(levels))
        if name is not None:
            if name in names:
                raise ValueError(f'"{template}" names the dimension {{{name}}} twice; each level has a name of its own')
            names.append(name)
    return tuple(names)


def check_topics(template: str) -> str:
    """`template`, if it is a valid topic template; else as `topic_dimensions`."""
    topic_dimensions(template)
    return template


def _level_dimension(template: str, level: str, *, is_last: bool) -> str | None:
    name = level_name(level)
    if name is not None:
        return check_dimension(name)
    if "{" in level or "}" in level:
        raise ValueError(
            f'"{level}" in "{template}": a dimension is a whole level between two braces, as in a/{{name}}/b'
        )
    if "#" in level and not (level == "#" and is_last):
        raise ValueError(f'"{level}" in "{template}": # is allowed only as the whole last level')
    if "+" in level and level != "+":
        raise ValueError(f'"{level}" in "{template}": + is allowed only as a whole level')
    return None


def takes_all_of(first: str, other: str) -> bool:
    """Whether `first` matches every MQTT topic that `other` matches."""
    ours, theirs = first.split("/"), other.split("/")
    if theirs[0].startswith("$") and _is_wild(ours[0]):
        return False  # MQTT 3.1.1, section 4.7.2
    for number, level in enumerate(ours):
        if level == "#":
            return True
        if number == len(theirs) or theirs[number] == "#":
            return False
        if not _is_wild(level) and level != theirs[number]:
            return False
    return len(ours) == len(theirs)


def _is_wild(level: str) -> bool:
    return level in {"+", "#"} or level_name(level) is not None


def zone_template(zone: str) -> str:
    """`zone` as a template: the name of a dimension becomes `{name}`."""
    return zone if "{" in zone or "}" in zone else f"{{{zone}}}"


def zone_dimensions(template: str) -> tuple[str, ...]:
    """The dimensions in a zone template. Raises ValueError if braces are not paired or there is no dimension."""
    allowed = "write one dimension (zone) or a template of them ({greenhouse}/{zone})"
    try:
        names = names_in(template)
    except ValueError as error:
        raise ValueError(f'"{template}" is no zone; {allowed}; it {error}') from None
    if not names:
        raise ValueError(f'"{template}" is no zone; {allowed}')
    return names


def check_zone(zone: str) -> str:
    """`zone`, if it is the name of a dimension or a valid template; else as `zone_dimensions`."""
    zone_dimensions(zone_template(zone))
    return zone
