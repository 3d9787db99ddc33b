"""What looks like a secret leaves no bundle, wherever it was written and whoever knew it."""

from __future__ import annotations

import json

import pytest

from services.supervisor.bundle_shapes import without_shapes

pytestmark = pytest.mark.unit

OLD = "sEcReTvalueOfLastMonth0123456789"
HEADERS = {"APCA-API-KEY-ID": "PKLASTMONTHSKEYABCDE", "APCA-API-SECRET-KEY": OLD}
PLACES = {
    "environment": f"APCA_API_SECRET_KEY={OLD} PATH=/bin",
    "export": f"export UW_API_TOKEN='{OLD}'",
    "environment of Python": f"environ({{'UW_API_TOKEN': '{OLD}', 'PATH': '/bin'}})",
    "headers": json.dumps(HEADERS),
    "headers in a log line": json.dumps({"msg": json.dumps({"headers": HEADERS})}),
    "headers in a payload in a log line": json.dumps({"m": json.dumps({"p": json.dumps(HEADERS)})}),
    "headers of bytes": f"[(b'apca-api-secret-key', b'{OLD}'), (b'accept', b'*/*')]",
    "bearer": f"Authorization: Bearer {OLD}",
    "basic": f"> authorization: Basic {OLD}==",
    "cookie": f"Cookie: theme=dark; session={OLD}",
    "login in an address": f"GET https://watchman:{OLD}@gateway.example.org/v2/orders",
    "login alone": f"wss://{OLD}@gateway.example.org/stream",
    "query": f"GET https://h.example.org/v2?symbol=A&apikey={OLD}&page=2",
    "address of an alert": f"failed: mailtos://ann:{OLD}@mail.example.org?to=bob",
    "token of Telegram": f"POST https://api.telegram.org/bot123456789:{OLD}/getUpdates",
    "ping": f"https://hc-ping.com/{OLD}/fail",
    "webhook": f"https://hooks.slack.com/services/T1/B2/{OLD}",
    "key file": f"-----BEGIN RSA PRIVATE KEY-----\n{OLD}\n-----END RSA PRIVATE KEY-----",
    "setting in a journal": json.dumps({"settings": {"DASHBOARD_TOKEN": OLD, "mode": "sim"}}),
    "password in words": f"password: {OLD}",
}


@pytest.mark.parametrize("place", PLACES)
def test_shape_of_a_secret_when_it_stands_there_is_hidden_for_good(place: str) -> None:
    """Nobody has it among the settings any more; what is hidden once stays as it is."""
    clean = without_shapes(PLACES[place].encode())
    assert OLD.encode() not in clean
    assert b"PKLASTMONTHSKEYABCDE" not in clean
    assert b"***" in clean
    assert without_shapes(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        '{"settings": {"UW_API_TOKEN": "(set)", "TRADING_MODE": "paper"}}',
        '{"client_order_id": "sht-00000001-momentum-0000000000a1", "sha256": "' + "ab" * 32 + '"}',
        '{"reason": "no token", "age_s": 1.5, "token": null}',
        "Telegram: it refuses the token",
        "http://127.0.0.1:8000/api/system/health unix:///tmp/x/supervisor.sock",
        "2026-11-20T18:00:00.123Z decided nothing for AAPL at 189.20",
    ],
)
def test_line_when_no_secret_is_in_it_is_left_as_it_is(text: str) -> None:
    """A bundle in which nothing can be read helps nobody."""
    assert without_shapes(text.encode()) == text.encode()


def test_json_when_its_secrets_are_hidden_is_still_json() -> None:
    """A developer's tools must go on reading it."""
    document = {"a": HEADERS, "url": f"https://u:{OLD}@h/x", "b": {"cookie": "x=y; z"}, "n": [1, 2]}
    clean = json.loads(without_shapes(json.dumps(document).encode()))
    assert clean["a"] == {"APCA-API-KEY-ID": "***", "APCA-API-SECRET-KEY": "***"}
    assert clean["n"] == [1, 2]
