"""A server's log as JSON, one object a line: events, never the contents of messages. Rooms appear as
a hash of their name."""

import hashlib
import json
import logging
from datetime import UTC, datetime

from aiohttp.http_exceptions import HttpProcessingError

FIELDS = ("event", "room", "code", "address")


def room_label(room: str) -> str:
    """A label that distinguishes rooms without naming them: anyone who knows a room's name can enter it."""
    return hashlib.sha256(room.encode()).hexdigest()[:12]


class _NoRequests(logging.Filter):
    """Removes the text of requests: aiohttp quotes a request that it cannot parse, which may name a room or hold a cookie."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            record.exc_info = record.exc_text = None
            record.msg, record.args = "a request could not be read: %s", (type(error).__name__,)
        return True


def keep_requests_out_of_the_log() -> None:
    """Keep the text of malformed requests out of this process's log."""
    logging.getLogger("aiohttp.server").addFilter(_NoRequests())


class JsonLines(logging.Formatter):
    """``{"time", "level", "logger", "message"}`` and those of :data:`FIELDS` that a record has."""

    def format(self, record: logging.LogRecord) -> str:
        out = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage(),
        }  # fmt: skip
        out |= {name: value for name in FIELDS if (value := getattr(record, name, None)) is not None}
        if record.exc_info and record.exc_info[0]:
            out["error"] = self.formatException(record.exc_info).splitlines()[-1]
        return json.dumps(out)


def log_as_json() -> None:
    """Make every logger of this process write such lines to stderr, at level INFO and above."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
