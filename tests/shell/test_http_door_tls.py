"""TLS at the doors: deadlines hold over it, one verifying context is shared, none can weaken it."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.errors import ConfigFault, TransientFault
from shared.resilience.deadline_sockets import tls_context
from shared.resilience.http_door import DoorAdapter, DoorRules, HttpDoor
from tests.support.hostile_streams import Data
from tests.support.raw_server import reply_bytes
from tests.support.tls_server import Certificate, made_certificate, served
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

CLOCK = SystemClock()
QUICK = DoorRules(connect_s=0.5, silence_s=0.4, total_s=0.8, reads_per_minute=None)
PATIENT = DoorRules(silence_s=5.0, total_s=10.0, reads_per_minute=None)


def door_of(rules: DoorRules) -> HttpDoor:
    return HttpDoor(DoorAdapter(rules, CLOCK), {"APCA-API-KEY-ID": "k"})


def whole(connection: ssl.SSLSocket) -> None:
    connection.sendall(reply_bytes(b"{}", headers="Connection: close\r\n"))


def dribble(connection: ssl.SSLSocket) -> None:
    for byte in reply_bytes(b'{"a": 1}' * 50):
        connection.sendall(bytes((byte,)))
        threading.Event().wait(0.05)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return made_certificate(tmp_path_factory.mktemp("tls"))


def test_tls_when_server_dribbles_or_is_unknown_then_bounded_and_refused(
    certificate: Certificate,
) -> None:
    """TLS connections obey the deadline, too, and a foreign certificate is refused."""
    with served(certificate, dribble) as url:
        with pytest.raises(ConfigFault, match="certificate_refused"):
            door_of(QUICK).get_json(url)
        trusting = door_of(QUICK)
        trusting.session.verify = str(certificate[1])
        begun = time.monotonic()
        with pytest.raises(TransientFault, match="read_timeout"):
            trusting.get_json(url)
        assert time.monotonic() - begun < 1.3


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200 OK\r\n\r\n{}", b"\x16\x03\x03\xff\xff" + b"x" * 99]
)
def test_tls_when_its_handshake_is_none_then_transient_and_in_time(said: bytes) -> None:
    """Silence, plain HTTP or garbage where TLS is due: bounded, and nobody's settings are wrong."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.sendall(said)
                connection.recv(65536)
                connection.recv(65536)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        begun = time.monotonic()
        with pytest.raises(TransientFault):
            door_of(replace(QUICK, attempts=1)).get_json(
                f"https://127.0.0.1:{listener.getsockname()[1]}"
            )
        assert time.monotonic() - begun < 1.3
        thread.join(5)


def test_tls_when_one_door_trusts_a_certificate_then_no_other_does(
    certificate: Certificate,
) -> None:
    """The doors share a context: what one session trusts must not leak into it."""
    with served(certificate, whole) as url:
        trusting = door_of(PATIENT)
        trusting.session.verify = str(certificate[1])
        assert trusting.get_json(url) == {}
        with pytest.raises(ConfigFault, match="certificate_refused"):
            door_of(PATIENT).get_json(url)
        trusting.session.verify = True
        with pytest.raises(TransientFault, match="another certificate"):
            trusting.get_json(url)


def test_tls_when_a_session_would_not_verify_then_refused_and_the_context_stays_whole(
    certificate: Certificate,
) -> None:
    """Nobody switches verification off, for himself or, by the shared context, for all."""
    with served(certificate, whole) as url:
        careless = door_of(PATIENT)
        careless.session.verify = False
        with pytest.raises(ConfigFault, match="always verified"):
            careless.get_json(url)
        with pytest.raises(ConfigFault, match="certificate_refused"):
            door_of(PATIENT).get_json(url)
    assert tls_context().verify_mode is ssl.CERT_REQUIRED
    assert tls_context().check_hostname


def test_tls_when_an_address_that_served_shows_another_certificate_then_it_may_pass(
    certificate: Certificate, tmp_path: Path
) -> None:
    """One that ran out, or somebody in between: nothing is said to it, nobody is parked, and the
    door goes on once the right one is back. For another name it is wrong from the beginning.
    """
    door = door_of(PATIENT)
    door.session.verify = str(certificate[1])
    with served(certificate, whole) as url, served(made_certificate(tmp_path), whole) as other:
        with pytest.raises(ConfigFault, match="certificate_refused"):
            door.get_json(url.replace("127.0.0.1", "localhost"))
        assert door.get_json(url) == {}
        with pytest.raises(TransientFault, match="another certificate"):
            door.get_json(other)
        assert door.get_json(url) == {}


def test_stream_when_nobody_vouches_for_its_certificate_then_not_a_word_is_said_to_it(
    certificate: Certificate,
) -> None:
    """The streams verify as the doors do, and say why they are down."""
    heard: list[bytes] = []
    with (
        served(certificate, lambda connection: heard.append(connection.recv(9))) as url,
        Data(url.replace("https", "wss", 1)) as data,
    ):
        wait_until(lambda: "certificate" in data.link.state.reason, 10.0)
        assert not data.link.is_live
    assert heard == []


def test_tls_context_when_asked_for_twice_then_one_of_modern_versions() -> None:
    """Reading the certificates costs tens of milliseconds, so all doors share what was read."""
    assert tls_context() is tls_context()
    assert tls_context().minimum_version >= ssl.TLSVersion.TLSv1_2
    assert tls_context().cert_store_stats()["x509_ca"] > 0
