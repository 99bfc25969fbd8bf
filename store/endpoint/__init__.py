"""Amazon Timestream's wire protocol, without an HTTP library: from headers and body to status, headers and body."""

from store.endpoint.context import Writer
from store.endpoint.endpoint import Endpoint, Response
from store.endpoint.errors import DamagedPayload
from store.endpoint.payload import WriteRecord, decode_write, encode_write

__all__ = [
    "DamagedPayload",
    "Endpoint",
    "Response",
    "WriteRecord",
    "Writer",
    "decode_write",
    "encode_write",
]
