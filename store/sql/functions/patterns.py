"""The groups of a regular expression, and replacements of its matches: Java's text converted to RE2's.

Reference: java.util.regex.Matcher.appendReplacement, as Trino follows it.
"""

from __future__ import annotations

import re

_PARTS = re.compile(r"\\Q.*?(?:\\E|$)|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?P?<([A-Za-z]\w*)>|(?!\?))", re.DOTALL)
_GROUPS_MAX = 9  # those that RE2 inserts in a replacement


_CLASSES_AND_HEADS = re.compile(r"\\[^QEbBAzZG]|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?(?:P?<\w+>|[a-zA-Z]+:|:))", re.DOTALL)
_MAY_BE_EMPTY = re.compile(r"[*?|{^$\\]|\(\)|^$")


def is_never_empty(pattern: str) -> bool:
    """Whether it is sure that each match has a character: nothing in the pattern can be left out, or is of none."""
    return _MAY_BE_EMPTY.search(_CLASSES_AND_HEADS.sub("x", pattern)) is None


def groups_of(pattern: str) -> list[str | None]:
    """The groups of a pattern in order, each with its name, if it has one."""
    return [part[1] for part in _PARTS.finditer(pattern) if part[0].startswith("(")]


def replacement_of(text: str, groups: list[str | None]) -> str:
    r"""RE2's form of a replacement: `$1` and `${name}` are groups, `\` makes the next character one of the text.

    Raises ValueError for what is none.
    """
    made: list[str] = []
    place = 0
    while place < len(text):
        character = text[place]
        if character == "\\":
            if place + 1 == len(text):
                raise ValueError(f"Illegal replacement sequence: {text}")
            made.append(text[place + 1].replace("\\", "\\\\"))
            place += 2
        elif character == "$":
            group, place = _group(text, place, groups)
            made.append(f"\\{group}")
        else:
            made.append(character)
            place += 1
    return "".join(made)


def _group(text: str, place: int, groups: list[str | None]) -> tuple[int, int]:
    """The number of the group that is named at a dollar sign, and where the text goes on."""
    named = re.compile(r"\$\{([A-Za-z]\w*)\}", re.ASCII).match(text, place)
    if named is not None:
        if named[1] not in groups:
            raise ValueError(f"Illegal replacement sequence: unknown group {{ {named[1]} }}")
        return _known(groups.index(named[1]) + 1), named.end()
    digits = re.compile(r"\$(\d)(\d*)", re.ASCII).match(text, place)
    if digits is None:
        raise ValueError(f"Illegal replacement sequence: {text}")
    group, end = int(digits[1]), digits.end(1)
    if group > len(groups):
        raise ValueError(f"Illegal replacement sequence: unknown group {group}")
    for digit in digits[2]:  # as many digits as there are groups for
        if group * 10 + int(digit) > len(groups):
            break
        group, end = group * 10 + int(digit), end + 1
    return _known(group), end


def _known(group: int) -> int:
    if group > _GROUPS_MAX:
        raise ValueError(f"A replacement can have the groups up to ${_GROUPS_MAX}, and this is ${group}")
    return group
