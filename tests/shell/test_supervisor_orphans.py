"""Helpers of services: none is left behind, none of a living service is touched."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support.supervised import Actor, is_alive, supervised
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration


def with_helper(note: Path) -> Actor:
    """A service whose helper has a session of its own and nothing in its environment."""
    script = (
        f"\nhelper = os.posix_spawn('/bin/sleep', ['sleep', '3600'], {{}}, setsid=True)"
        f"\nopen({str(note)!r}, 'a').write('%d\\n' % helper)"
        f"\nserve()"
    )
    return Actor(script)


def helpers(note: Path) -> list[int]:
    """Return the helpers that were started so far."""
    return [int(line) for line in note.read_text().split()] if note.exists() else []


def test_helper_when_it_took_its_cookie_out_then_it_dies_with_its_service(tmp_path: Path) -> None:
    """It becomes our own child with the death of its parent, and is known by that."""
    actors = {"web": with_helper(tmp_path / "web"), "page": with_helper(tmp_path / "page")}
    with supervised(tmp_path, actors) as system:
        system.wait_ok()
        (of_web,), (of_page,) = helpers(tmp_path / "web"), helpers(tmp_path / "page")

        os.kill(system.pid("web"), signal.SIGKILL)

        wait_until(lambda: not is_alive(of_web), 10, "the helper's end")
        system.wait_for("web", status="OK", restarts=1)
        _, of_new_web = helpers(tmp_path / "web")
        assert is_alive(of_new_web)
        assert is_alive(of_page)
        assert system.stop() == 0
        assert not any(is_alive(pid) for pid in (of_web, of_new_web, of_page))


def test_orphan_when_it_ends_then_it_is_reaped(tmp_path: Path) -> None:
    """Whoever inherits orphans buries them: no zombie gathers below the supervisor."""
    script = (
        "\nif os.fork() == 0:"
        "\n    os.setsid()"
        "\n    if os.fork() == 0: time.sleep(0.5)"
        "\n    os._exit(0)"
        "\nos.wait(); serve()"
    )
    with supervised(tmp_path, {"web": Actor(script)}) as system:
        system.wait_ok()
        supervisor = system.supervisor_pid()
        children = Path(f"/proc/{supervisor}/task/{supervisor}/children")

        wait_until(lambda: len(children.read_text().split()) == 2, 5, "an orphan of ours")

        wait_until(lambda: children.read_text().split() == [str(system.pid("web"))], 10, "reaped")
