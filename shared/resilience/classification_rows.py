"""The rows behind classification.py: HTTP replies and exceptions, each with its verdict.

Rows are tried from above; the first that fits decides. What a row says: the family of the
failure, a stable word of ours, and what a write that met it left behind (ORDER_PATH.md rule 9).
"""

from __future__ import annotations

from enum import StrEnum

from shared.errors import FailureClass


class Placement(StrEnum):
    """What a failed write left behind at the broker."""

    NOT_PLACED = "not_placed"
    UNKNOWN = "unknown"
    EXISTS = "exists"


_T, _S, _R, _C = (
    FailureClass.TRANSIENT,
    FailureClass.SCHEMA,
    FailureClass.RISK,
    FailureClass.CONFIG,
)
_NOT, _UNK, _EXISTS = Placement.NOT_PLACED, Placement.UNKNOWN, Placement.EXISTS

HttpRow = tuple[int, int, str, FailureClass, str, Placement]

HTTP_ROWS: tuple[HttpRow, ...] = (
    # status from, status to, pattern in "code message" (code is - when absent, and ? when the
    # body is not of the vendors' shape: a page, an empty or a cut body), verdict
    # 303 says where the result of the request can be seen: it has been done.
    (303, 303, r"", _C, "redirected", _UNK),
    (300, 399, r"", _C, "redirected", _NOT),
    # Somebody between us and the broker speaks; what became of the request is not known, and
    # nobody's keys are proved wrong by it.
    (400, 404, r"^\? ", _T, "not_the_brokers_word", _UNK),
    (422, 422, r"^\? ", _T, "not_the_brokers_word", _UNK),
    (401, 401, r"", _C, "unauthorized", _NOT),
    (403, 403, r"subscription does not permit|agreement is not signed", _C, "subscription", _NOT),
    (403, 403, r"^- ", _C, "forbidden", _NOT),
    (403, 403, r"insufficient buying power", _R, "insufficient_buying_power", _NOT),
    (403, 403, r"insufficient (qty|balance)", _R, "insufficient_qty", _NOT),
    (403, 403, r"wash trade|opposite side", _R, "wash_trade", _NOT),
    (403, 403, r"not allowed to short|not shortable", _R, "short_not_allowed", _NOT),
    (403, 403, r"rejected by user request", _R, "trading_suspended", _NOT),
    (403, 403, r"pattern day trad", _R, "day_trade_rule", _NOT),
    (403, 403, r"restricted|blocked|not authorized to trade", _R, "account_restricted", _NOT),
    (403, 403, r"", _R, "forbidden_order", _NOT),
    (404, 404, r"", _R, "not_found", _NOT),
    (408, 408, r"", _T, "request_timeout", _UNK),
    (425, 425, r"", _T, "too_early", _UNK),
    (429, 429, r"", _T, "rate_limited", _NOT),
    (422, 422, r"client_order_id must be unique", _R, "duplicate_client_order_id", _EXISTS),
    (422, 422, r"stop.?price|stop_loss", _R, "stop_price_refused", _NOT),
    (422, 422, r"sub-penny|increment", _R, "tick_refused", _NOT),
    (422, 422, r"cancel", _R, "not_cancelable", _NOT),
    (422, 422, r"replace|not open", _R, "not_replaceable", _NOT),
    (422, 422, r"^422\d+ ", _R, "order_refused", _NOT),
    (422, 422, r"", _C, "bad_request", _NOT),
    (400, 400, r"", _C, "bad_request", _NOT),
    (405, 405, r"", _S, "endpoint_gone", _NOT),
    (410, 410, r"", _S, "endpoint_gone", _NOT),
    (400, 499, r"", _S, "unexpected_status", _UNK),
    (500, 599, r"", _T, "broker_error", _UNK),
    (0, 999, r"", _S, "unexpected_status", _UNK),
)

EXCEPTION_ROWS: dict[str, tuple[FailureClass, str, Placement]] = {
    # requests: what its session raises
    "requests.exceptions.ConnectTimeout": (_T, "connect_timeout", _NOT),
    "requests.exceptions.ReadTimeout": (_T, "read_timeout", _UNK),
    "requests.exceptions.Timeout": (_T, "timeout", _UNK),
    "requests.exceptions.SSLError": (_T, "tls_error", _UNK),
    "requests.exceptions.ProxyError": (_T, "proxy_error", _UNK),
    "requests.exceptions.ConnectionError": (_T, "connection_lost", _UNK),
    "requests.exceptions.ChunkedEncodingError": (_T, "truncated_reply", _UNK),
    "requests.exceptions.ContentDecodingError": (_T, "garbled_reply", _UNK),
    "requests.exceptions.StreamConsumedError": (_T, "truncated_reply", _UNK),
    "requests.exceptions.RetryError": (_T, "retries_spent", _UNK),
    "requests.exceptions.JSONDecodeError": (_T, "unreadable_reply", _UNK),
    "requests.exceptions.HTTPError": (_T, "http_error", _UNK),
    "requests.exceptions.TooManyRedirects": (_C, "redirected", _NOT),
    "requests.exceptions.UnrewindableBodyError": (_C, "redirected", _UNK),
    "requests.exceptions.InvalidJSONError": (_C, "unsendable_request", _NOT),
    "requests.exceptions.InvalidHeader": (_C, "unsendable_request", _NOT),
    "requests.exceptions.InvalidProxyURL": (_C, "bad_url", _NOT),
    "requests.exceptions.InvalidSchema": (_C, "bad_url", _NOT),
    "requests.exceptions.InvalidURL": (_C, "bad_url", _NOT),
    "requests.exceptions.MissingSchema": (_C, "bad_url", _NOT),
    "requests.exceptions.URLRequired": (_C, "bad_url", _NOT),
    "requests.exceptions.RequestException": (_T, "request_failed", _UNK),
    "requests.cookies.CookieConflictError": (_T, "garbled_reply", _UNK),
    # urllib3: what hides inside them
    "urllib3.exceptions.NameResolutionError": (_T, "name_not_resolved", _NOT),
    "urllib3.exceptions.NewConnectionError": (_T, "connection_refused", _NOT),
    "urllib3.exceptions.ConnectTimeoutError": (_T, "connect_timeout", _NOT),
    "urllib3.exceptions.ReadTimeoutError": (_T, "read_timeout", _UNK),
    "urllib3.exceptions.TimeoutError": (_T, "timeout", _UNK),
    "urllib3.exceptions.TimeoutStateError": (_T, "timeout", _UNK),
    "urllib3.exceptions.ProtocolError": (_T, "connection_lost", _UNK),
    "urllib3.exceptions.IncompleteRead": (_T, "truncated_reply", _UNK),
    "urllib3.exceptions.InvalidChunkLength": (_T, "truncated_reply", _UNK),
    "urllib3.exceptions.ResponseNotChunked": (_T, "garbled_reply", _UNK),
    "urllib3.exceptions.BodyNotHttplibCompatible": (_T, "garbled_reply", _UNK),
    "urllib3.exceptions.DecodeError": (_T, "garbled_reply", _UNK),
    "urllib3.exceptions.HeaderParsingError": (_T, "garbled_reply", _UNK),
    "urllib3.exceptions.InvalidHeader": (_T, "garbled_reply", _UNK),
    "urllib3.exceptions.ResponseError": (_T, "broker_error", _UNK),
    "urllib3.exceptions.MaxRetryError": (_T, "connection_lost", _UNK),
    "urllib3.exceptions.SSLError": (_T, "tls_error", _UNK),
    "urllib3.exceptions.ProxyError": (_T, "proxy_error", _UNK),
    "urllib3.exceptions.ProxySchemeUnknown": (_C, "bad_url", _NOT),
    "urllib3.exceptions.ProxySchemeUnsupported": (_C, "bad_url", _NOT),
    "urllib3.exceptions.URLSchemeUnknown": (_C, "bad_url", _NOT),
    "urllib3.exceptions.LocationParseError": (_C, "bad_url", _NOT),
    "urllib3.exceptions.LocationValueError": (_C, "bad_url", _NOT),
    "urllib3.exceptions.HostChangedError": (_C, "redirected", _NOT),
    "urllib3.exceptions.UnrewindableBodyError": (_C, "redirected", _UNK),
    "urllib3.exceptions.EmptyPoolError": (_T, "pool_empty", _NOT),
    "urllib3.exceptions.FullPoolError": (_T, "pool_empty", _NOT),
    "urllib3.exceptions.ClosedPoolError": (_T, "pool_closed", _NOT),
    "urllib3.exceptions.PoolError": (_T, "pool_error", _UNK),
    "urllib3.exceptions.RequestError": (_T, "request_failed", _UNK),
    "urllib3.exceptions.HTTPError": (_T, "http_error", _UNK),
    "urllib3.util.ssl_match_hostname.CertificateError": (_C, "certificate_refused", _NOT),
    # websockets: the streams
    "websockets.exceptions.ConnectionClosedOK": (_T, "stream_closed", _UNK),
    "websockets.exceptions.ConnectionClosedError": (_T, "stream_lost", _UNK),
    "websockets.exceptions.ConnectionClosed": (_T, "stream_lost", _UNK),
    "websockets.exceptions.InvalidStatus": (_T, "stream_refused", _NOT),
    "websockets.legacy.exceptions.InvalidStatusCode": (_T, "stream_refused", _NOT),
    "websockets.legacy.exceptions.AbortHandshake": (_T, "stream_refused", _NOT),
    "websockets.legacy.exceptions.RedirectHandshake": (_C, "redirected", _NOT),
    "websockets.exceptions.InvalidURI": (_C, "bad_url", _NOT),
    "websockets.exceptions.InvalidProxy": (_C, "bad_url", _NOT),
    "websockets.exceptions.InvalidProxyMessage": (_T, "proxy_error", _NOT),
    "websockets.exceptions.InvalidProxyStatus": (_T, "proxy_error", _NOT),
    "websockets.exceptions.ProxyError": (_T, "proxy_error", _NOT),
    "websockets.exceptions.InvalidOrigin": (_C, "stream_refused", _NOT),
    "websockets.exceptions.InvalidMessage": (_T, "stream_refused", _NOT),
    "websockets.exceptions.InvalidMethod": (_T, "stream_refused", _NOT),
    "websockets.exceptions.InvalidProtocol": (_T, "stream_refused", _NOT),
    "websockets.exceptions.InvalidUpgrade": (_T, "stream_refused", _NOT),
    "websockets.exceptions.InvalidHeader": (_T, "stream_refused", _NOT),
    "websockets.exceptions.InvalidHeaderFormat": (_T, "stream_refused", _NOT),
    "websockets.exceptions.InvalidHeaderValue": (_T, "stream_refused", _NOT),
    "websockets.exceptions.InvalidParameterName": (_T, "stream_refused", _NOT),
    "websockets.exceptions.InvalidParameterValue": (_T, "stream_refused", _NOT),
    "websockets.exceptions.DuplicateParameter": (_T, "stream_refused", _NOT),
    "websockets.exceptions.NegotiationError": (_T, "stream_refused", _NOT),
    "websockets.exceptions.SecurityError": (_T, "stream_refused", _NOT),
    "websockets.exceptions.HeaderLineTooLong": (_T, "stream_refused", _NOT),
    "websockets.exceptions.RequestLineTooLong": (_T, "stream_refused", _NOT),
    "websockets.exceptions.StatusLineTooLong": (_T, "stream_refused", _NOT),
    "websockets.exceptions.TooManyHeaders": (_T, "stream_refused", _NOT),
    "websockets.exceptions.InvalidHandshake": (_T, "stream_refused", _NOT),
    "websockets.exceptions.PayloadTooBig": (_S, "stream_frame", _UNK),
    "websockets.exceptions.TooManyFragments": (_S, "stream_frame", _UNK),
    "websockets.exceptions.ProtocolError": (_T, "stream_lost", _UNK),
    "websockets.exceptions.ConcurrencyError": (_T, "stream_lost", _UNK),
    "websockets.exceptions.InvalidState": (_T, "stream_lost", _UNK),
    "websockets.exceptions.WebSocketException": (_T, "stream_lost", _UNK),
    "websockets.datastructures.MultipleValuesError": (_T, "stream_refused", _NOT),
    # msgpack: the frames of the data stream
    "msgpack.exceptions.UnpackException": (_T, "garbled_frame", _UNK),
    "msgpack.exceptions.BufferFull": (_T, "garbled_frame", _UNK),
    "msgpack.exceptions.OutOfData": (_T, "garbled_frame", _UNK),
    "msgpack.exceptions.FormatError": (_T, "garbled_frame", _UNK),
    "msgpack.exceptions.StackError": (_T, "garbled_frame", _UNK),
    "msgpack.exceptions.ExtraData": (_T, "garbled_frame", _UNK),
    # alpaca-py; APIError itself is judged by its response, see below
    "alpaca.common.exceptions.APIError": (_T, "broker_error", _UNK),
    "alpaca.common.exceptions.RetryException": (_T, "rate_limited", _UNK),
    # pydantic: a reply that does not fit a model, and models that are wrong themselves
    "pydantic_core._pydantic_core.ValidationError": (_S, "model_refused", _UNK),
    "pydantic_core._pydantic_core.PydanticCustomError": (_S, "model_refused", _UNK),
    "pydantic_core._pydantic_core.PydanticKnownError": (_S, "model_refused", _UNK),
    "pydantic_core._pydantic_core.PydanticOmit": (_S, "model_refused", _UNK),
    "pydantic_core._pydantic_core.PydanticUseDefault": (_S, "model_refused", _UNK),
    "pydantic_core._pydantic_core.PydanticSerializationError": (_C, "unsendable_request", _NOT),
    "pydantic_core._pydantic_core.PydanticSerializationUnexpectedValue": (
        _C,
        "unsendable_request",
        _NOT,
    ),
    "pydantic_core._pydantic_core.SchemaError": (_C, "model_is_wrong", _NOT),
    "pydantic.errors.PydanticUserError": (_C, "model_is_wrong", _NOT),
    "pydantic.errors.PydanticUndefinedAnnotation": (_C, "model_is_wrong", _NOT),
    "pydantic.errors.PydanticImportError": (_C, "model_is_wrong", _NOT),
    "pydantic.errors.PydanticSchemaGenerationError": (_C, "model_is_wrong", _NOT),
    "pydantic.errors.PydanticInvalidForJsonSchema": (_C, "model_is_wrong", _NOT),
    "pydantic.errors.PydanticForbiddenQualifier": (_C, "model_is_wrong", _NOT),
    # our own doors: what is no reply
    "shared.resilience.reply_body.OversizedReply": (_T, "oversized_reply", _UNK),
    "shared.resilience.reply_body.GarbledReply": (_T, "garbled_reply", _UNK),
    # our own tools around a call
    "pybreaker.CircuitBreakerError": (_T, "withheld", _NOT),
    "ratelimit.exception.RateLimitException": (_T, "withheld", _NOT),
    "tenacity.RetryError": (_T, "retries_spent", _UNK),
    "tenacity.TryAgain": (_T, "retries_spent", _UNK),
    # Python's own: JSON, HTTP, sockets, TLS
    "json.decoder.JSONDecodeError": (_T, "unreadable_reply", _UNK),
    "http.client.RemoteDisconnected": (_T, "connection_lost", _UNK),
    "http.client.IncompleteRead": (_T, "truncated_reply", _UNK),
    "http.client.BadStatusLine": (_T, "garbled_reply", _UNK),
    "http.client.LineTooLong": (_T, "garbled_reply", _UNK),
    "http.client.UnknownProtocol": (_T, "garbled_reply", _UNK),
    "http.client.UnknownTransferEncoding": (_T, "garbled_reply", _UNK),
    "http.client.InvalidURL": (_C, "bad_url", _NOT),
    "http.client.HTTPException": (_T, "http_error", _UNK),
    "ssl.SSLCertVerificationError": (_C, "certificate_refused", _NOT),
    "ssl.SSLEOFError": (_T, "tls_error", _UNK),
    "ssl.SSLZeroReturnError": (_T, "tls_error", _UNK),
    "ssl.SSLSyscallError": (_T, "tls_error", _UNK),
    "ssl.SSLWantReadError": (_T, "timeout", _UNK),
    "ssl.SSLWantWriteError": (_T, "timeout", _UNK),
    "ssl.SSLError": (_T, "tls_error", _UNK),
    "socket.gaierror": (_T, "name_not_resolved", _NOT),
    "builtins.ConnectionRefusedError": (_T, "connection_refused", _NOT),
    "builtins.TimeoutError": (_T, "timeout", _UNK),
    "builtins.OSError": (_T, "network_error", _UNK),
    "builtins.UnicodeDecodeError": (_T, "unreadable_reply", _UNK),
    "decimal.DecimalException": (_T, "unreadable_reply", _UNK),
    "builtins.RecursionError": (_T, "unreadable_reply", _UNK),
    # wrong containers inside vendor code: `None` or a list where an object was promised
    "builtins.TypeError": (_S, "wrong_container", _UNK),
    "builtins.KeyError": (_S, "wrong_container", _UNK),
    "builtins.AttributeError": (_S, "wrong_container", _UNK),
    "builtins.ValueError": (_S, "wrong_value", _UNK),
    "builtins.Exception": (_T, "unclassified", _UNK),
}
