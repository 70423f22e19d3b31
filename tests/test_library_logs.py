"""What gunicorn and other libraries log is one JSON object a line."""

import json
import logging
import re
import sys
from datetime import datetime
from pathlib import Path

from gunicorn.workers import base

from housing_app import library_logs

FORGED = '\n{"event": "forged"}\x1b[31m\u2028'


def written(message, *arguments, exc_info=None, level=logging.WARNING):
    record = logging.LogRecord(
        "some.library", level, __file__, 1, message, arguments, exc_info
    )
    text = library_logs.Formatter().format(record)
    assert text.isascii()
    assert "\n" not in text
    return json.loads(text)


def test_a_record_is_a_line_with_its_level_and_its_logger():
    line = written("moved %d of %s", 3, "four", level=logging.ERROR)
    assert line["message"] == "moved 3 of four"
    assert (line["event"], line["level"]) == ("library", "error")
    assert line["logger"] == "some.library"
    assert datetime.fromisoformat(line["timestamp"]).utcoffset().total_seconds() == 0


def test_nothing_that_is_logged_can_forge_a_line():
    assert written("sent %s", FORGED)["message"] == f"sent {FORGED}"


def test_a_traceback_is_inside_the_line():
    try:
        raise KeyError(FORGED)
    except KeyError:
        line = written("failed", exc_info=sys.exc_info())
    assert "KeyError" in line["exception"]
    assert line["message"] == "failed"


def test_a_line_has_the_id_of_its_request_and_of_no_other(client, app):
    client.get("/nope", headers={"X-Request-ID": "before"})
    assert "request_id" not in written("later")
    with app.test_request_context(headers={"X-Request-ID": "mine"}):
        app.preprocess_request()
        assert written("within")["request_id"] == "mine"


def test_gunicorns_line_of_a_failed_request_holds_no_query():
    line = written("Error handling request %s %s", "GET", "/v1/info?token=s3cret")
    assert line["message"] == "Error handling request GET /v1/info"


def test_the_format_of_that_line_is_still_gunicorns():
    source = Path(base.__file__).read_text("utf-8")
    quoting = re.findall(r'"(.*?)"[^"]*?req\.uri', source)
    assert len(quoting) == 2
    assert all(text.startswith(library_logs._QUOTES_A_REQUEST) for text in quoting)
