"""TLS at the doors: deadlines hold over it, one verifying context is shared, none can weaken it."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.errors import ConfigFault, TransientFault
from shared.resilience.deadline_sockets import tls_context
from shared.resilience.http_door import DoorAdapter, DoorRules, HttpDoor
from tests.support.raw_server import reply_bytes

pytestmark = pytest.mark.integration

CLOCK = SystemClock()
QUICK = DoorRules(connect_s=0.5, silence_s=0.4, total_s=0.8, reads_per_minute=None)
PATIENT = DoorRules(silence_s=5.0, total_s=10.0, reads_per_minute=None)
Answer = Callable[[ssl.SSLSocket], None]


def door_of(rules: DoorRules) -> HttpDoor:
    return HttpDoor(DoorAdapter(rules, CLOCK), {"APCA-API-KEY-ID": "k"})


def whole(connection: ssl.SSLSocket) -> None:
    connection.sendall(reply_bytes(b"{}", headers="Connection: close\r\n"))


def dribble(connection: ssl.SSLSocket) -> None:
    for byte in reply_bytes(b'{"a": 1}' * 50):
        connection.sendall(bytes((byte,)))
        threading.Event().wait(0.05)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a key and a certificate of 127.0.0.1 that nobody else trusts."""
    if shutil.which("openssl") is None:
        pytest.skip("OPENSSL ABSENT: no certificate can be made; install openssl")
    folder = tmp_path_factory.mktemp("tls")
    key, made = folder / "k.pem", folder / "c.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"),
            *("ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key)),
            *("-out", str(made)),
        ],
        check=True,
        capture_output=True,
    )
    return key, made


@contextmanager
def served(certificate: tuple[Path, Path], answer: Answer) -> Iterator[str]:
    """Answer every TLS connection, one after the other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate[1], certificate[0])
    listener = context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    answer(connection)
            except ssl.SSLError:
                continue
            except OSError:
                if listener.fileno() < 0:
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def test_tls_when_server_dribbles_or_is_unknown_then_bounded_and_refused(
    certificate: tuple[Path, Path],
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


def test_tls_when_one_door_trusts_a_certificate_then_no_other_does(
    certificate: tuple[Path, Path],
) -> None:
    """The doors share a context: what one session trusts must not leak into it."""
    with served(certificate, whole) as url:
        trusting = door_of(PATIENT)
        trusting.session.verify = str(certificate[1])
        assert trusting.get_json(url) == {}
        with pytest.raises(ConfigFault, match="certificate_refused"):
            door_of(PATIENT).get_json(url)
        trusting.session.verify = True
        with pytest.raises(ConfigFault, match="certificate_refused"):
            trusting.get_json(url)


def test_tls_when_a_session_would_not_verify_then_refused_and_the_context_stays_whole(
    certificate: tuple[Path, Path],
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


def test_tls_context_when_asked_for_twice_then_one_of_modern_versions() -> None:
    """Reading the certificates costs tens of milliseconds, so all doors share what was read."""
    assert tls_context() is tls_context()
    assert tls_context().minimum_version >= ssl.TLSVersion.TLSv1_2
    assert tls_context().cert_store_stats()["x509_ca"] > 0
