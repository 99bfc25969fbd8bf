"""Interprets the errors of a bucket by the texts in which its three clients report them: none has error codes.

obstore and deltalake use the Rust crate object_store: "… Server returned non-2xx status code: 403 Forbidden: …"
(deltalake replaces colons by arrows). pyarrow uses Amazon's C++ client, which has a name, or the status of a response
without one: "… AWS Error ACCESS_DENIED during HeadObject operation: …", "… AWS Error UNKNOWN (HTTP status 503) during
…". Read from obstore 0.12.1, deltalake 1.6.6, pyarrow 26.0.1; `tests/store/objects/test_s3_errors.py` provokes each.
Names: `S3ErrorToString` in arrow/cpp/src/arrow/filesystem/s3_internal.h.
"""

from __future__ import annotations

import re

OF_PYARROW = "AWS Error"  # the beginning of an error that a bucket returned
_STATUS = re.compile(r"Server returned non-2xx status code\W+(\d{3})\b|\(HTTP status (\d{3})\)")
_NAME = re.compile(r"AWS Error ([A-Z_]+)")
_WRONG_REGION = "redirect without LOCATION"  # object_store's text instead of a status

# Errors that a later attempt cannot correct: the operator must act, or the requested object does not exist
_REFUSING_STATUSES = frozenset({301, 400, 401, 403, 404, 405})
_REFUSING_NAMES = frozenset(
    {
        *("ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "INVALID_CLIENT_TOKEN_ID", "INVALID_SIGNATURE"),
        *("MISSING_AUTHENTICATION_TOKEN", "OPT_IN_REQUIRED", "SIGNATURE_DOES_NOT_MATCH", "UNRECOGNIZED_CLIENT"),
        *("NO_SUCH_BUCKET", "NO_SUCH_KEY", "NO_SUCH_UPLOAD", "RESOURCE_NOT_FOUND"),
    }
)

# The first that is found counts; signs are looked for in lower case, without underscores
_REMEDIES = (
    (
        # where a library asks for the role of a machine, or of a container
        re.compile(r"169\.254\.16[0-9.]+|169\.254\.170|missingauthenticationtoken"),
        "there are no keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, as this machine has no role",
    ),
    (
        re.compile(
            r"invalidaccesskeyid|signaturedoesnotmatch|invalidsignature|invalidclienttokenid|unrecognizedclient"
        ),
        "the server does not know these keys: compare AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ),
    (
        re.compile(r"accessdenied|(?:code:?|status) 403\b"),
        "the keys, or the role, do not allow it: docs/object-stores.md says what they must",
    ),
    (re.compile(r"nosuchbucket"), "there is no such bucket: create it"),
    (re.compile(r"redirect without location|permanentredirect"), "the bucket is in another region: set AWS_REGION"),
    (
        re.compile(r"could not resolve|dns error|connection refused|networkconnection|error sending request"),
        "the server cannot be reached: AWS_ENDPOINT_URL_S3 names one other than Amazon's",
    ),
)


def is_refusal(text: str) -> bool:
    """Whether the bucket has responded, and will respond in the same way to the same request."""
    status = _STATUS.search(text)
    if status is not None:
        return int(status[1] or status[2]) in _REFUSING_STATUSES
    name = _NAME.search(text)
    return name[1] in _REFUSING_NAMES if name is not None else _WRONG_REGION in text


def explained(text: str) -> str:
    """What is wrong and what to do about it, if that is known, and what the library says, in one line."""
    said = " ".join(text.partition("Debug source:")[0].split())
    words = said.replace("_", "").lower()
    remedy = next((remedy for sign, remedy in _REMEDIES if sign.search(words)), None)
    return said if remedy is None else f"{remedy} ({said})"
