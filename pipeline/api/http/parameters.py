"""Refuses unknown and repeated query parameters, which would be ignored silently."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request
from fastapi._compat import field_annotation_is_sequence
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute

from pipeline.api.http.nearest import nearest
from pipeline.api.http.problems import SHOWN_CHARACTERS, Problem


class CheckParameters:
    """A dependency of every route: raises Problem 400 for a parameter that it does not have, or has only once."""

    def __init__(self) -> None:
        self._known: dict[Callable[..., Any], Mapping[str, bool]] = {}  # by the function of a route

    async def __call__(self, request: Request) -> None:
        """Check the parameters of one request."""
        route = request.scope["route"]
        if not request.scope["query_string"] or not isinstance(route, APIRoute):
            return
        if route.endpoint not in self._known:
            self._known[route.endpoint] = _parameters_of(route)
        is_list = self._known[route.endpoint]
        for name in request.query_params:
            if name not in is_list:
                shown = name[:SHOWN_CHARACTERS]
                raise Problem(400, f"there is no parameter {shown}: {nearest(shown, is_list)}", parameter=shown)
            count = len(request.query_params.getlist(name))
            if count > 1 and not is_list[name]:
                raise Problem(400, f"{name} is given {count} times; it is one here", parameter=name)


def _parameters_of(route: APIRoute) -> Mapping[str, bool]:
    """The query parameters of a route, and whether each may be given several times."""
    fields = [field for field in get_flat_params(route.dependant) if isinstance(field.field_info, Query)]
    return {field.alias: field_annotation_is_sequence(field.field_info.annotation) for field in fields}
