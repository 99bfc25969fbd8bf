"""AWS signatures, checked against botocore's own signer."""

import time

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as AwsKeys

from pipeline.api.http.credentials import EVERYONE, Credentials, Grant, Who
from pipeline.base.errors import Unauthenticated
from pipeline.config.roles import Role

TOKEN = "a-long-token"
GRANT = Grant(TOKEN, Who("farm-7", Role.READ))
BODY = b'{"QueryString": "SELECT 1"}'


def signed(access_key: str, secret: str) -> dict[str, str]:
    headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "Timestream_20181101.Query"}
    request = AWSRequest("POST", "http://127.0.0.1:8080/", headers=headers, data=BODY)
    request.headers["Host"] = "127.0.0.1:8080"
    SigV4Auth(AwsKeys(access_key, secret), "timestream", "us-east-1").add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


def test_a_request_signed_with_the_token_has_the_accounts_name() -> None:
    credentials = Credentials([GRANT])

    assert credentials.signer(signed("farm-7", TOKEN), BODY, time.time_ns()) == GRANT.who


@pytest.mark.parametrize(
    ("key", "secret", "body", "later_s"),
    [
        ("farm-7", "another-token", BODY, 0),
        ("farm-8", TOKEN, BODY, 0),
        ("farm-7", TOKEN, BODY + b" ", 0),
        ("farm-7", TOKEN, BODY, 16 * 60),
    ],
    ids=["wrong secret", "another account", "changed body", "too old"],
)
def test_any_other_request_has_no_account(key: str, secret: str, body: bytes, later_s: int) -> None:
    credentials = Credentials([GRANT])

    now_ns = time.time_ns() + later_s * 10**9
    assert credentials.signer(signed(key, secret), body, now_ns) is None


def test_an_unsigned_request_has_no_account_where_there_are_tokens() -> None:
    assert Credentials([GRANT]).signer({}, BODY, time.time_ns()) is None


def test_without_tokens_everyone_is_the_default_account_and_may_everything() -> None:
    credentials = Credentials([])

    assert credentials.bearer(None) == EVERYONE
    assert credentials.signer({}, b"", 0) == EVERYONE


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN])
def test_a_wrong_or_missing_token_is_none(authorization: str | None) -> None:
    with pytest.raises(Unauthenticated, match="send the header Authorization: Bearer TOKEN"):
        Credentials([GRANT]).bearer(authorization)


def test_a_bearer_token_has_its_account() -> None:
    assert Credentials([GRANT]).bearer(f"Bearer {TOKEN}") == GRANT.who


def test_each_token_of_an_account_has_its_own_role() -> None:
    """For bearers and for signatures."""
    other = Grant("another-long-token", Who("farm-7", Role.ADMIN))
    credentials = Credentials([GRANT, other])

    assert credentials.bearer(f"Bearer {other.token}").role is Role.ADMIN
    assert credentials.signer(signed("farm-7", other.token), BODY, time.time_ns()) == other.who
    assert credentials.signer(signed("farm-7", TOKEN), BODY, time.time_ns()) == GRANT.who
