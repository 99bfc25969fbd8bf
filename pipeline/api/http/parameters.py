"""Refuses unknown and repeated query parameters, which would be ignored silently."""

from __future__ import annotations

from fastapi import Request
from fastapi._compat import field_annotation_is_sequence
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute

from pipeline.api.http.nearest import nearest
from pipeline.api.http.problems import SHOWN_CHARACTERS, Problem


async def check_parameters(request: Request) -> None:
    """A dependency of every route: raises Problem 400 for a parameter that it does not have, or has only once."""
    route = request.scope["route"]
    if not isinstance(route, APIRoute):
        return
    fields = {field.alias: field for field in get_flat_params(route.dependant) if isinstance(field.field_info, Query)}
    for name in request.query_params:
        if name not in fields:
            shown = name[:SHOWN_CHARACTERS]
            raise Problem(400, f"there is no parameter {shown}: {nearest(shown, fields)}", parameter=shown)
        count = len(request.query_params.getlist(name))
        if count > 1 and not field_annotation_is_sequence(fields[name].field_info.annotation):
            raise Problem(400, f"{name} is given {count} times; it is one here", parameter=name)
