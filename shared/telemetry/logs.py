"""JSON log lines: one file per service, one writer per file, rotated by size.

A line holds `ts, level, service, pid, run_id, event, class, msg` and whatever facts the caller
adds (CONTRACTS.md section 8). Known secrets are replaced before a line is written.
"""

from __future__ import annotations

import logging
import os
import secrets as random_source
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from pythonjsonlogger.json import JsonFormatter

LOG_FILE_BYTES_MAX = 10_000_000
LOG_FILES_KEPT = 5
SECRET_CHARACTERS_MIN = 6
"""Shorter values are no secrets, and masking them would garble ordinary words."""


class _LineFormatter(JsonFormatter):
    def __init__(self, service: str, run_id: str, hidden: Iterable[str]) -> None:
        super().__init__(json_default=str, json_ensure_ascii=False)
        self._fixed = {"service": service, "pid": os.getpid(), "run_id": run_id}
        self._hidden = sorted(
            (text for text in hidden if len(text) >= SECRET_CHARACTERS_MIN), key=len, reverse=True
        )

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        extra: dict[str, Any] = {}
        super().add_fields(extra, record, message_dict)
        stamp = datetime.fromtimestamp(record.created, UTC)
        log_data["ts"] = stamp.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        log_data["level"] = record.levelname
        log_data.update(self._fixed)
        log_data["event"] = extra.pop("event", record.name)
        log_data["class"] = extra.pop("failure_class", None)
        log_data["msg"] = extra.pop("message", record.getMessage())
        log_data.update(extra)

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for secret in self._hidden:
            line = line.replace(secret, "***")
        return line


class _LogFile(RotatingFileHandler):
    """A log that a full disk neither ends nor floods: said once, tried again at every line.

    The library's own complaint would show the message as it was before its secrets were hidden.
    """

    _is_refused = _was_refused = False

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 - the library's name
        """Whether the file is full; the library would make every line twice to know its length."""
        del record
        if self.stream is None:
            self.stream = self._open()
        return self.stream.tell() >= self.maxBytes

    def emit(self, record: logging.LogRecord) -> None:
        self._was_refused, self._is_refused = self._is_refused, False
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        del record
        self._is_refused = True
        if self.stream is not None:
            with suppress(OSError, ValueError):
                self.stream.close()
        # Opened anew by the next line: what could not be written must not pile up in memory.
        self.stream = None
        if not self._was_refused:
            fault = sys.exception()
            why = (fault.strerror if isinstance(fault, OSError) else None) or type(fault).__name__
            with suppress(OSError, ValueError):
                sys.stderr.write(f"{Path(self.baseFilename).name} cannot be written: {why}\n")


def configure_logging(
    service: str, log_dir: Path, hidden: Iterable[str] = (), *, to_stderr: bool = False
) -> logging.Logger:
    """Send the root logger to `log_dir/<service>.jsonl` and return the service's logger.

    `hidden` are secret values that must never appear. With `to_stderr` warnings also go to
    standard error, for a person in front of a terminal.
    """
    log_dir.mkdir(parents=True, exist_ok=True)
    handler: logging.Handler = _LogFile(
        log_dir / f"{service}.jsonl",
        maxBytes=LOG_FILE_BYTES_MAX,
        backupCount=LOG_FILES_KEPT,
        encoding="utf-8",
        delay=True,
    )
    handler.setFormatter(_LineFormatter(service, random_source.token_hex(4), hidden))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    if to_stderr:
        terminal = logging.StreamHandler()
        terminal.setLevel(logging.WARNING)
        terminal.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        root.addHandler(terminal)
    for noisy in ("urllib3", "websockets", "asyncio", "alpaca"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return logging.getLogger(service)


def log_event(
    logger: logging.Logger, event: str, message: str, *, level: int = logging.INFO, **facts: Any
) -> None:
    """Write one line: the event's name, a sentence for people, and the facts as fields."""
    logger.log(level, message, extra={"event": event, **facts})
