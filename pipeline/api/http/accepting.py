"""Chooses the format of a response by the header Accept (RFC 9110, 12.5.1)."""

from __future__ import annotations

from fastapi import Request

from pipeline.api.http import results

_BY_MEDIA_TYPE = {media_type.partition(";")[0]: form for form, media_type in results.FORMATS.items()}


def format_for(request: Request) -> str:
    """One of `results.FORMATS`: the one that the client likes best; JSON if it says nothing about any of them."""
    best, form = 0.0, "json"
    for part in request.headers.get("accept", "").split(","):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((_quality(given[2:]) for given in parameters if given.startswith("q=")), 1.0)
        if media_type in _BY_MEDIA_TYPE and quality > best:
            best, form = quality, _BY_MEDIA_TYPE[media_type]
    return form


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
