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


def is_refusal(text: str) -> bool:
    """Whether the bucket has responded, and will respond in the same way to the same request."""
    status = _STATUS.search(text)
    if status is not None:
        return int(status[1] or status[2]) in _REFUSING_STATUSES
    name = _NAME.search(text)
    return name[1] in _REFUSING_NAMES if name is not None else _WRONG_REGION in text
