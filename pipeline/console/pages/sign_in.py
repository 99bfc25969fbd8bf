"""Signing in by a token of the API, and out."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pipeline.console.api import ApiRefused
from pipeline.console.site import SignInNeeded, form_of, site_of

UNKNOWN = "No token of this server is like that. They are in http.tokens of its streamgauge.yaml."


async def form(request: Request) -> Response:
    """The form."""
    return _form(request, request.query_params.get("next", "/"), "")


async def sign_in(request: Request) -> Response:
    """Begin a session, if the API knows the token."""
    site, fields = site_of(request), await form_of(request)
    token, target = fields.get("token", "").strip(), fields.get("next", "/")
    try:
        token.encode("ascii")
        await site.known(token)
    except (SignInNeeded, UnicodeEncodeError):
        return _form(request, target, UNKNOWN, 401)
    except ApiRefused as error:
        return _form(request, target, str(error), error.status)
    answer = RedirectResponse(target if _is_path(target) else "/", 303)
    answer.set_cookie(
        site.cookie, site.sessions.begin(token), httponly=True, samesite="strict", secure=site.is_secure, path="/"
    )
    return answer


async def sign_out(request: Request) -> Response:
    """End the session."""
    site = site_of(request)
    site.sessions.end(request.cookies.get(site.cookie))
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(site.cookie, path="/")
    return answer


def _is_path(target: str) -> bool:
    """Whether it stays on this console: browsers take `//host` and a backslash for another one."""
    return target.startswith("/") and not target.startswith(("//", "/\\"))


def _form(request: Request, target: str, problem: str, status: int = 200) -> Response:
    values = {"title": "Sign in", "here": "", "target": target, "problem": problem}
    return site_of(request).page("sign_in.html", None, status, **values)


ROUTES = (
    Route("/sign-in", form),
    Route("/sign-in", sign_in, methods=["POST"]),
    Route("/sign-out", sign_out, methods=["POST"]),
)
