"""HTTP clients of every kind against a real exchange-sim: raw sockets and http.client."""

from __future__ import annotations

import http.client
import json
import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.exchange_faults import RawClient, request_text
from tests.support.exchange_process import CALL_S, HEADERS, ExchangeProcess

pytestmark = pytest.mark.integration
BEARER = {"Authorization": "Bearer token"}


LIMIT = {"symbol": "BAC", "qty": 1, "side": "buy", "type": "limit", "limit_price": 1}


LIMIT |= {"time_in_force": "gtc"}


PAIR = ("--key-id", "AK", "--secret-key", "SK")


UNAUTHORIZED = (401, {"message": "unauthorized."})


FORBIDDEN = (403, {"message": "forbidden."})


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("open")) as process:
        yield process


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("guarded"), *PAIR) as process:
        yield process


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
        "nonsense",
        None,
    ],
)
def test_body_when_its_content_type_is_any_then_it_is_read_as_json(
    exchange: ExchangeProcess, content_type: str | None
) -> None:
    """http.client sends what a client sends, with or without a type."""
    connection = http.client.HTTPConnection("127.0.0.1", exchange.port, timeout=CALL_S)
    headers = dict(HEADERS) | ({"Content-Type": content_type} if content_type else {})
    connection.request("POST", "/v2/orders", json.dumps(LIMIT), headers)
    answer = connection.getresponse()
    document = json.loads(answer.read())
    connection.close()

    assert (answer.status, document["symbol"]) == (200, "BAC")


@pytest.mark.parametrize("word", ["True", "true", "1", "TRUE"])
def test_boolean_when_written_in_any_way_then_it_is_true(
    exchange: ExchangeProcess, word: str
) -> None:
    """In queries as Python, JavaScript and C write it; in bodies as text or number too."""
    order = exchange.call("POST", "/v2/orders", json=bracket_body()).json()

    listed = exchange.call("GET", f"/v2/orders?status=all&symbols=JPM&nested={word}").json()
    flat = exchange.call("GET", "/v2/orders?status=all&symbols=JPM&nested=False").json()
    number = 1 if word == "1" else word
    changed = exchange.call("PATCH", "/v2/account/configurations", json={"no_shorting": number})
    back = exchange.call("PATCH", "/v2/account/configurations", json={"no_shorting": "False"})

    assert [len(one["legs"]) for one in listed if one["id"] == order["id"]] == [2]
    assert [one["legs"] for one in flat if one["id"] == order["id"]] == [None]
    assert (changed.json()["no_shorting"], back.json()["no_shorting"]) == (True, False)


def bracket_body() -> dict[str, Any]:
    """Return a bracket that rests."""
    return LIMIT | {
        "symbol": "JPM",
        "order_class": "bracket",
        "take_profit": {"limit_price": 900, "unheard_of": [1]},
        "stop_loss": {"stop_price": "0.5"},
    }


@pytest.mark.parametrize(("qty", "price"), [(2, 1.5), ("2", "1.5"), (2.0, "1.50"), ("2.0", 1.5)])
def test_number_when_written_as_text_or_number_then_it_is_the_same(
    exchange: ExchangeProcess, qty: object, price: object
) -> None:
    """Money goes out as a string in every case; unknown fields are nobody's business."""
    body = LIMIT | {"qty": qty, "limit_price": price, "made_up": {"a": 1}, "auth": "x"}

    answer = exchange.call("POST", "/v2/orders?whatever=1", json=body)

    order = answer.json()
    assert (answer.status_code, order["qty"], order["limit_price"]) == (200, "2", "1.5")


def test_connection_when_requests_are_pipelined_then_replies_come_in_order(
    exchange: ExchangeProcess,
) -> None:
    """Ten requests in one packet on one connection, then more on the same one."""
    paths = ["/v2/clock", "/v2/account", "/v2/nothing", "/v2/positions"] * 5
    with RawClient(exchange) as client:
        client.send(b"".join(request_text("GET", path) for path in paths))
        client.read_until(b"HTTP/1.1 ", count=len(paths))
        client.send(request_text("GET", "/v2/assets/SPY"))
        client.read_until(b'"symbol":"SPY"')

    codes = [int(code) for code in re.findall(rb"HTTP/1\.1 (\d+)", client.received)]
    assert codes == [200, 200, 404, 200] * 5 + [200]


def test_request_when_it_comes_in_pieces_then_it_is_read_whole(
    exchange: ExchangeProcess,
) -> None:
    """Head and chunked body byte by byte, as slow clients send them."""
    body = json.dumps(LIMIT)
    chunked = "".join(f"1\r\n{letter}\r\n" for letter in body) + "0\r\n\r\n"
    head = request_text("POST", "/v2/orders", extra="Transfer-Encoding: chunked\r\n")
    with RawClient(exchange) as client:
        for byte in head:
            client.send(bytes([byte]))
        client.send(chunked.encode())
        client.read_until(b'"symbol":"BAC"')

    assert client.received.startswith(b"HTTP/1.1 200 ")


def test_client_when_it_speaks_http_1_0_then_it_is_answered_and_let_go(
    exchange: ExchangeProcess,
) -> None:
    """The oldest clients close after each reply."""
    with RawClient(exchange) as client:
        text = request_text("GET", "/v2/clock").replace(b"HTTP/1.1", b"HTTP/1.0", 1)
        client.send(text)

        assert client.read_to_the_end() == "closed"
        assert json.loads(client.body)["is_open"] in (True, False)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/clock", 200),
        ("GET", "/v2/stocks/SPY/quotes/latest", 200),
        ("DELETE", "/v2/orders/none", 404),
        ("DELETE", "/v2/orders", 207),
        ("GET", "/v2/nothing", 404),
        ("GET", "/", 404),
        ("GET", "/v3/account", 404),
        ("PUT", "/v2/orders", 405),
        ("OPTIONS", "/v2/orders", 405),
        ("HEAD", "/v2/clock", 200),
        ("HEAD", "/v2/nothing", 404),
    ],
)
def test_reply_when_sent_then_length_request_id_and_rate_headers_are_there(
    exchange: ExchangeProcess, method: str, path: str, status: int
) -> None:
    """On successes and refusals, unknown paths and methods; a HEAD has no body."""
    answer = exchange.call(method, path)

    assert answer.status_code == status
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"])
    assert answer.headers["X-RateLimit-Limit"] == "200"
    assert 0 <= int(answer.headers["X-RateLimit-Remaining"]) < 200
    assert int(answer.headers["X-RateLimit-Reset"]) > 1_700_000_000
    assert "Content-Length" in answer.headers
    if method == "HEAD":
        assert answer.content == b""
    elif status in (404, 405):
        assert answer.json()["code"] // 100 == 404100
        assert answer.json()["message"]


def test_request_ids_when_the_exchange_starts_again_then_none_repeats(
    exchange: ExchangeProcess, guarded: ExchangeProcess
) -> None:
    """Two processes never give the same id: it is quoted in alerts."""
    first = {exchange.call("GET", "/v2/clock").headers["X-Request-ID"] for _ in range(20)}
    second = {guarded.call("GET", "/v2/clock").headers["X-Request-ID"] for _ in range(40)}

    assert (len(first), len(second), first & second) == (20, 40, set())


def basic(pair: str) -> dict[str, str]:
    """Return the header of HTTP Basic."""
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({"APCA-API-KEY-ID": "AK", "APCA-API-SECRET-KEY": "SK"}, None),
        ({"apca-api-key-id": "AK", "apca-api-secret-key": "SK"}, None),
        (basic("AK:SK"), None),
        ({"Authorization": "Bearer SK"}, None),
        ({"Authorization": "bearer SK"}, None),
        ({}, UNAUTHORIZED),
        ({"APCA-API-KEY-ID": "AK"}, UNAUTHORIZED),
        ({"Authorization": "Basic ?"}, UNAUTHORIZED),
        ({"Authorization": "Bearer "}, UNAUTHORIZED),
        ({"Authorization": "Digest x"}, UNAUTHORIZED),
        ({"APCA-API-KEY-ID": "AK", "APCA-API-SECRET-KEY": "SKX"}, FORBIDDEN),
        ({"APCA-API-KEY-ID": "PK", "APCA-API-SECRET-KEY": "SK"}, FORBIDDEN),
        ({"Authorization": "Bearer AK"}, FORBIDDEN),
        (basic("AK:no"), FORBIDDEN),
    ],
)
def test_keys_when_right_missing_or_foreign_then_200_401_or_403_without_code(
    guarded: ExchangeProcess, headers: dict[str, str], answer: tuple[int, object] | None
) -> None:
    """APCA headers, Basic, a bearer token; refusals have a message and nothing else."""
    got = guarded.call("GET", "/v2/account", headers=headers)

    assert got.status_code == 200 if answer is None else (got.status_code, got.json()) == answer


def test_rate_limit_when_enforced_then_the_201st_is_refused_and_data_is_counted_apart(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """200 a minute for trading; market data has its own 200, Unusual Whales counts by itself."""
    folder = tmp_path_factory.mktemp("limited")
    with ExchangeProcess(folder, env={"SIM_RATE_LIMIT": "true"}) as exchange:
        with RawClient(exchange) as client:
            client.send(request_text("GET", "/v2/clock") * 700)
            client.read_until(b"HTTP/1.1 ", count=700)
        codes = re.findall(rb"HTTP/1\.1 (\d+)", client.received)
        refused = exchange.call("GET", "/v2/clock")

        # A minute may turn within the burst: then each part had its own 200.
        assert 199 <= codes.count(b"200") <= 400
        assert codes.count(b"200") + codes.count(b"429") == 700
        if refused.status_code == 429:
            assert refused.json() == {"code": 42910000, "message": "rate limit exceeded"}
            assert refused.headers["X-RateLimit-Remaining"] == "0"
        data = exchange.call("GET", "/v2/stocks/SPY/quotes/latest")
        assert (data.status_code, data.headers["X-RateLimit-Remaining"]) == (200, "199")
        for path in ("/sim/status", "/api/darkpool/recent"):
            other = exchange.call("GET", path, headers={"Authorization": "Bearer token"})
            assert other.status_code == 200
            assert "X-RateLimit-Limit" not in other.headers


@pytest.mark.parametrize(
    "path",
    ["/v2/orders/", "/v2/account/", "/v2/stocks/bars/", "/api/darkpool/recent/", "//v2/clock"],
)
def test_path_when_a_slash_is_too_many_then_404_and_never_a_redirect(
    exchange: ExchangeProcess, path: str
) -> None:
    """A client that follows would send its keys again, one that does not reads an empty body."""
    answer = exchange.call("GET", path, allow_redirects=False, headers=HEADERS | BEARER)

    assert answer.status_code == 404
    assert "not found" in answer.text
    assert "location" not in answer.headers
