"""Every error is an RFC 9457 problem document, whatever raised it."""

import httpx
import pytest

from pipeline.api.http.problems import ANSWERS
from pipeline.base import errors
from pipeline.base.errors import LogError, LogFull
from rules.errors import RuleError
from store import errors as store_errors
from store.errors import MagneticTierError, MagneticUnavailable, QueryTimeout, UnknownTable
from store.sql.errors import SqlError
from tests.support.http_service import HttpService

MEMBERS = {"type", "title", "status", "detail"}


@pytest.mark.parametrize(
    ("method", "path", "status", "title", "words"),
    [
        ("GET", "/v1/zoneses", 404, "Not Found", "nothing at /v1/zoneses; /docs lists"),
        ("DELETE", "/v1/zones", 405, "Method Not Allowed", "DELETE is not possible at /v1/zones: it takes GET, HEAD"),
        ("PUT", "/", 405, "Method Not Allowed", "it takes GET, HEAD, POST"),
        ("GET", "/v1/devices?limit=0", 400, "Bad Request", "limit is '0'"),
        ("GET", "/v1/devices?limit=many", 400, "Bad Request", "limit is 'many'"),
        ("GET", "/v1/alerts?status=burning", 400, "Bad Request", "one of firing, resolved"),
        ("GET", "/v1/alerts?before=x", 400, "Bad Request", "before is 'x'"),
        ("GET", f"/v1/alerts?before={2**63}", 400, "Bad Request", f"before is '{2**63}'"),
        ("GET", f"/v1/alerts/deliveries?before={2**63}", 400, "Bad Request", f"before is '{2**63}'"),
        ("GET", f"/v1/dead-letters?before={2**63}", 400, "Bad Request", f"before is '{2**63}'"),
        ("GET", "/v1/alerts/deliveries?state=lost", 400, "Bad Request", "one of queued, delivered, given_up"),
        ("GET", "/v1/dead-letters?reason=bad", 400, "Bad Request", "one of no_route, empty_payload"),
        ("GET", "/v1/dead-letters?from=soon", 400, "Bad Request", "from=soon is not possible"),
        ("GET", "/v1/dead-letters?replayed=maybe", 400, "Bad Request", "replayed is 'maybe'"),
        ("GET", "/v1/dead-letters/nothing", 404, "Not Found", "no dead letter 'nothing'"),
    ],
)
async def test_a_refusal_says_what_the_value_and_what_is_allowed(
    http: httpx.AsyncClient, method: str, path: str, status: int, title: str, words: str
) -> None:
    answer = await http.request(method, path)

    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem.keys() >= MEMBERS
    assert (answer.status_code, problem["status"], problem["title"]) == (status, status, title)
    assert words in problem["detail"]


async def test_a_body_that_is_not_json_says_where_it_ends(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/query", content=b'{"sql": SELECT}', headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()["parameter"]) == (400, "body")
    assert "the body is not JSON" in answer.json()["detail"]
    assert "character 8" in answer.json()["detail"]


@pytest.mark.parametrize(("body", "why"), [(b'{"sql": "\xff"}', "invalid start byte"), (b"[" * 100_000, "recursion")])
async def test_a_body_that_cannot_be_read_says_why(http: httpx.AsyncClient, body: bytes, why: str) -> None:
    answer = await http.post("/v1/query", content=body, headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()["parameter"]) == (400, "body")
    assert "the body is not JSON: " in answer.json()["detail"]
    assert why in answer.json()["detail"]


async def test_a_long_value_is_shown_in_part(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v1/alerts", params={"status": "x" * 5000})

    assert len(answer.text) < 1000


@pytest.mark.parametrize(
    "path", ["/v1/zones", "/v1/averages?zone=a&measure=b", "/v1/alerts", "/v1/devices", "/v1/dead-letters"]
)
async def test_without_its_token_a_question_is_a_401(guarded: HttpService, path: str) -> None:
    async with guarded.client() as nobody, guarded.client("a-wrong-token") as stranger:
        answers = [await nobody.get(path), await stranger.get(path)]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer TOKEN" in answers[0].json()["detail"]


async def test_without_its_token_sql_and_a_replay_are_401s(guarded: HttpService) -> None:
    async with guarded.client() as nobody:
        query = await nobody.post("/v1/query", json={"sql": "SELECT 1"})
        replay = await nobody.post("/v1/dead-letters/replay", json={"reason": "no_route"})

    assert (query.status_code, replay.status_code) == (401, 401)


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (QueryTimeout("the query was stopped after 60 s"), 504, "the query was stopped after 60 s"),
        (UnknownTable("no table t"), 404, "no table t"),
        (MagneticTierError("a secret path"), 500, "internal error; see the server log"),
        (MagneticUnavailable("a secret path"), 503, "the magnetic tier is not available; try again later"),
        (LogFull("the log holds 8 GiB, its cap"), 503, "the log holds 8 GiB, its cap"),
        (LogError("the disk is gone"), 500, "the disk is gone"),
        (errors.ArchiveError("a secret path"), 500, "internal error; see the server log"),
        (ZeroDivisionError("a secret of ours"), 500, "internal error; see the server log"),
    ],
)
async def test_each_lower_level_error_has_its_answer(
    service: HttpService, http: httpx.AsyncClient, error: Exception, status: int, detail: str
) -> None:
    @service.app.get("/failing")
    async def failing() -> None:
        raise error

    answer = await http.get("/failing")

    assert (answer.status_code, answer.json()["detail"]) == (status, detail)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (errors.Busy("5 queries wait"), 503, "1"),
        (errors.PeerUnavailable("worker b is silent"), 503, "1"),
        (errors.OverQuota("2 queries run"), 429, "1"),
        (errors.OverQuota("1 TiB scanned today", retry_after_s=7200), 429, "7200"),
    ],
)
async def test_what_passes_says_when_to_ask_again(
    service: HttpService, http: httpx.AsyncClient, error: Exception, status: int, retry_after: str
) -> None:
    @service.app.get("/failing")
    async def failing() -> None:
        raise error

    answer = await http.get("/failing")

    assert (answer.status_code, answer.headers["retry-after"]) == (status, retry_after)


# What no request meets, by where it ends.
ELSEWHERE: dict[str, tuple[type[Exception], ...]] = {
    "the process does not start, or ends": (
        errors.ConfigError,
        errors.DataDirError,
        errors.PortTaken,
    ),
    "Timestream's operations, which alone create and delete": (
        store_errors.DatabaseExists,
        store_errors.TableExists,
        store_errors.DatabaseNotEmpty,
    ),
    "what reads the device's bytes, or the log": (errors.MalformedPacket, errors.PayloadError, errors.FrameError),
    "commands, which ask a server": (
        errors.ServerUnreachable,
        errors.ServerRefused,
        errors.OutputFailed,
        errors.ImportFailed,
        errors.PlotFailed,
    ),
    "commands that make and restore backups": (store_errors.BackupError,),
    "where rules are loaded": (RuleError,),
}


def subclasses(kind: type[Exception]) -> set[type[Exception]]:
    return set[type[Exception]]().union(*({below} | subclasses(below) for below in kind.__subclasses__()))


def test_each_error_of_ours_that_a_request_can_meet_is_in_the_table() -> None:
    """By itself or by what it is a kind of; that it is a StoreError says nothing of who must act."""
    roots = (errors.PipelineError, store_errors.StoreError, SqlError, RuleError)
    elsewhere = {kind for kinds in ELSEWHERE.values() for kind in kinds}
    known = (ANSWERS.keys() | elsewhere) - {store_errors.StoreError}
    only_bases = {store_errors.RequestError, errors.RequestRefused}
    ours = set[type[Exception]]().union(*map(subclasses, roots)) - only_bases

    assert [kind.__name__ for kind in ours if not known.intersection(kind.__mro__)] == []
    assert not elsewhere & ANSWERS.keys()
