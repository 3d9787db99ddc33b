"""A copy of a folder in which somebody writes: what is in it belongs together."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chaos.copying import copied_at_rest, copy_folder
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

COPIES = 12
WAIT_S = 20
WRITER = """
import os, sqlite3, sys
folder = sys.argv[1]
def put(name, text):
    temporary = f'{folder}/.{name}.tmp'
    with open(temporary, 'w') as file:
        file.write(text)
    os.rename(temporary, f'{folder}/{name}')
db = sqlite3.connect(f'{folder}/exchange_sim.db', isolation_level=None)
db.execute('PRAGMA locking_mode=EXCLUSIVE')
db.execute('PRAGMA journal_mode=WAL')
db.execute('PRAGMA wal_autocheckpoint=20')
db.execute('CREATE TABLE one (n INTEGER, filler TEXT)')
db.execute('CREATE TABLE two (n INTEGER, filler TEXT)')
n = 0
while True:
    n += 1
    put('trading_state.json', '{"n": %d}' % n)
    put('journal.jsonl', '{"n": %d}' % n)
    put(f'passing{n % 7}', 'x')
    db.execute('BEGIN')
    db.execute('INSERT INTO one VALUES (?, ?)', (n, 'x' * 3000))
    db.execute('INSERT INTO two VALUES (?, ?)', (n, 'x' * 3000))
    db.execute('COMMIT')
    if n % 5 == 0:
        import time; time.sleep(0.05)
"""


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Path]:
    """A folder in which a process replaces documents and fills a database without an end."""
    folder = tmp_path / "busy"
    folder.mkdir()
    process = subprocess.Popen([sys.executable, "-S", "-c", WRITER, str(folder)])
    wait_until((folder / "passing3").exists, WAIT_S)
    yield folder
    process.kill()
    process.wait(WAIT_S)


def test_copy_when_somebody_writes_then_every_copy_is_whole_and_the_broker_is_not_behind(
    busy: Path, tmp_path: Path
) -> None:
    """No file that vanished ends it, no database is torn, state and journal are of one moment."""
    for number in range(COPIES):
        target = tmp_path / str(number)

        copy_folder(busy, target, ())

        state, journal = (
            json.loads((target / name).read_text())["n"]
            for name in ("trading_state.json", "journal.jsonl")
        )
        with closing(sqlite3.connect(target / "exchange_sim.db")) as copied:
            assert copied.execute("PRAGMA quick_check").fetchone() == ("ok",)
            one, two = (
                copied.execute(f"SELECT max(n), count(*) FROM {table}").fetchone()
                for table in ("one", "two")
            )
        assert one == two
        assert state in (journal, journal + 1)
        assert one[0] >= state - 1
        assert not list(target.glob(".*"))


def test_copy_when_files_change_while_they_are_copied_then_they_are_copied_again(
    tmp_path: Path,
) -> None:
    """The half that was copied before the change does not stay."""
    books, target = [tmp_path / "state", tmp_path / "journal"], tmp_path / "target"
    target.mkdir()
    turn = iter(range(1_000))

    def written_once() -> int:
        number = min(next(turn), 1)
        for book in books:
            book.write_text(str(number))
        return number

    copied_at_rest(books, target, written_once)

    assert [(target / book.name).read_text() for book in books] == ["1", "1"]
    with pytest.raises(OSError, match="state never stood still"):
        copied_at_rest(books, target, lambda: next(turn))


def test_copy_when_nobody_writes_then_all_but_what_is_left_behind_is_there(tmp_path: Path) -> None:
    """A log that stands beside a database belongs to it."""
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "sub").mkdir(parents=True)
    for name in ("a.db", "a.db-wal", "sub/b", "journal.jsonl", "health.json", ".x.tmp"):
        (source / name).write_text(name)

    copy_folder(source, target, ("health.json",))

    found = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert found == {"a.db", "a.db-wal", "sub/b", "journal.jsonl"}
