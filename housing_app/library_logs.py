"""The lines of gunicorn and of other libraries, in the form of our own.

Theirs go to standard error, as ever; what was plain text is one JSON object a line.
"""

import json
import logging
from datetime import UTC, datetime
from typing import Any

import structlog
from flask import has_request_context
from gunicorn.glogging import Logger

_encode = json.JSONEncoder(default=repr).encode
# gunicorn's, of a request that the app did not end: it shows the query, too.
_QUOTES_A_REQUEST = "Error handling request %s"


class Formatter(logging.Formatter):
    """Write a record as one line of JSON, under the request's id where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; json escapes whatever would begin another one."""
        line: dict[str, Any] = {
            "event": "library",
            "logger": record.name,
            "message": _message(record),
            "process": record.process,
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if has_request_context():  # else those of the request before
            line |= structlog.contextvars.get_contextvars()
        return _encode(line)


def _message(record: logging.LogRecord) -> str:
    text = record.getMessage()
    is_quote = str(record.msg).startswith(_QUOTES_A_REQUEST)
    return text.partition("?")[0] if is_quote else text


class _Ours(logging.StreamHandler[Any]):
    """Write to standard error what libraries warn of."""

    def __init__(self) -> None:
        super().__init__()
        self.setLevel(logging.WARNING)
        self.setFormatter(Formatter())


class GunicornLogger(Logger):
    """Be gunicorn's `logger_class`: its lines and other libraries' as JSON."""

    def setup(self, cfg: Any) -> None:
        """Set up as gunicorn does, at the start and on HUP, and then the form."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(Formatter())
        root = logging.getLogger()
        if not any(isinstance(handler, _Ours) for handler in root.handlers):
            root.addHandler(_Ours())
        logging.captureWarnings(capture=True)
