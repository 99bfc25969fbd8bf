"""Amazon Timestream's wire protocol, without an HTTP library: headers and body in, status, headers and body out."""

from store.endpoint.errors import DamagedPayload
from store.endpoint.payload import WriteRecord, decode_write, encode_write

__all__ = ["DamagedPayload", "WriteRecord", "decode_write", "encode_write"]
