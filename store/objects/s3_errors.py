"""What a bucket's answer means, read from the texts in which its three clients tell of it: none gives a code.

obstore and deltalake stand on the Rust crate object_store: "… Server returned non-2xx status code: 403 Forbidden: …"
(deltalake puts arrows for colons). pyarrow stands on Amazon's C++ client, and has a name, or the status of an answer
without one: "… AWS Error ACCESS_DENIED during HeadObject operation: …", "… AWS Error UNKNOWN (HTTP status 503) during
…". Read from obstore 0.12.1, deltalake 1.6.6, pyarrow 26.0.1; `tests/store/objects/test_s3_errors.py` provokes each.
Names: `S3ErrorToString` in arrow/cpp/src/arrow/filesystem/s3_internal.h.
"""

from __future__ import annotations

import re

OF_PYARROW = "AWS Error"  # so it begins to say what a bucket answered
_STATUS = re.compile(r"Server returned non-2xx status code\W+(\d{3})\b|\(HTTP status (\d{3})\)")
_NAME = re.compile(r"AWS Error ([A-Z_]+)")
_WRONG_REGION = "redirect without LOCATION"  # of object_store, instead of a status

# What no later try corrects: the operator must act, or what was asked for is not there
_REFUSING_STATUSES = frozenset({301, 400, 401, 403, 404, 405})
_REFUSING_NAMES = frozenset(
    {
        *("ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "INVALID_CLIENT_TOKEN_ID", "INVALID_SIGNATURE"),
        *("MISSING_AUTHENTICATION_TOKEN", "OPT_IN_REQUIRED", "SIGNATURE_DOES_NOT_MATCH", "UNRECOGNIZED_CLIENT"),
        *("NO_SUCH_BUCKET", "NO_SUCH_KEY", "NO_SUCH_UPLOAD", "RESOURCE_NOT_FOUND"),
    }
)


def is_refusal(text: str) -> bool:
    """Whether the bucket answered, and will answer the same to the same again."""
    status = _STATUS.search(text)
    if status is not None:
        return int(status[1] or status[2]) in _REFUSING_STATUSES
    name = _NAME.search(text)
    return name[1] in _REFUSING_NAMES if name is not None else _WRONG_REGION in text
