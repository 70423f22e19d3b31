"""Errors as Sentry gets them: what is in a report, and what never is."""

import dataclasses
import json
import threading
import time

import pytest
from prometheus_client import REGISTRY
from receivers import Receiver
from served import Model

from housing_app import create_app, error_reports
from housing_app.valuation import predictor

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"  # pragma: allowlist secret
SECRET = "s3cret"  # pragma: allowlist secret


def reporting_app(dsn, **settings):
    # The models are those of `app`, which every test here asks for.
    made = create_app(
        {"RATE_LIMIT": "off", "CACHE": "off", "SENTRY_DSN": dsn} | settings
    )

    def fail():
        private = {SECRET: SECRET}  # a local variable
        raise LookupError(f"what it says: {SECRET}") from KeyError(private)

    made.add_url_rule("/fail/<what>", "fail", lambda what: fail(), methods=["POST"])
    return made


@pytest.fixture
def sentry():
    with Receiver() as found:
        yield found


@pytest.fixture
def reporting(app, sentry):
    made = reporting_app(sentry.dsn)
    yield made
    error_reports.stop(made)


def counted(result):
    return REGISTRY.get_sample_value("error_reports_total", {"result": result}) or 0


def test_an_unexpected_error_is_reported_with_its_request(reporting, sentry):
    headers = {"X-Request-ID": "failed-1"}
    headers["traceparent"] = f"00-{TRACE}-00f067aa0ba902b7-01"
    answer = reporting.test_client().post("/fail/x", headers=headers)
    assert answer.status_code == 500
    (event,) = sentry.wait(sentry.events)
    assert event["tags"] == {
        "request_id": "failed-1",
        "trace_id": TRACE,
        "route": "/fail/<what>",
    }
    assert event["release"] == f"housing_app@{reporting.config['VERSION']}"
    assert event["environment"] == "development"
    kinds = event["exception"]["values"]
    assert [kind["type"] for kind in kinds] == ["KeyError", "LookupError"]
    frames = kinds[-1]["stacktrace"]["frames"]
    assert frames[-1]["function"] == "fail"
    assert "raise LookupError" in frames[-1]["context_line"]


def test_a_report_holds_nothing_of_what_was_asked(reporting, sentry, home):
    headers = {"Authorization": f"Bearer {SECRET}", "Cookie": SECRET, "Referer": SECRET}
    headers |= {"User-Agent": SECRET, "X-Client-Id": SECRET, "X-Request-ID": "asked"}
    body = home | {"sqft_lot": 98765.4321, SECRET: SECRET}
    path = f"/fail/{SECRET}?token={SECRET}"
    reporting.test_client().post(path, json=body, headers=headers)
    sentry.wait(sentry.events)
    _, sent, received = sentry.bodies[0]
    # The code that failed is in it, and this test's names its own secret.
    text = json.dumps(_without_code(sentry.events()[0])) + json.dumps(sent)
    assert b"asked" in received
    for private in (SECRET, "98765.4321", home["zipcode"], "127.0.0.1/fail", "what it"):
        assert private not in text
    assert sentry.events()[0].keys() <= {
        *("event_id", "timestamp", "platform", "level", "release", "environment"),
        *("server_name", "tags", "exception"),
    }


def _without_code(found):
    if isinstance(found, dict):
        code = ("context_line", "pre_context", "post_context")
        return {k: _without_code(v) for k, v in found.items() if k not in code}
    return [_without_code(one) for one in found] if isinstance(found, list) else found


def test_a_model_that_raises_is_reported_with_its_name(reporting, sentry, slots, home):
    champion = slots["full"]["champion"]
    broken = dataclasses.replace(champion, model=Model(ValueError(SECRET)))
    predictor.install("full", slots["full"] | {"champion": broken})
    assert reporting.test_client().post("/v1/predict", json=home).status_code == 200
    (event,) = sentry.wait(sentry.events)
    assert event["tags"]["model"] == champion.manifest.id
    assert event["tags"]["route"] == "/v1/predict"
    assert event["exception"]["values"][0]["type"] == "ValueError"


def test_an_error_after_the_view_is_reported_once(reporting, sentry):
    def spoil(response):
        raise ArithmeticError(SECRET)

    reporting.after_request_funcs[None].append(spoil)
    assert reporting.test_client().get("/v1/info").status_code == 500
    error_reports.stop(reporting)
    kinds = [event["exception"]["values"][-1]["type"] for event in sentry.events()]
    assert kinds == ["ArithmeticError"]


def test_what_a_client_does_wrong_is_not_reported(reporting, sentry, home, slots):
    client = reporting.test_client()
    assert client.get("/nope").status_code == 404
    assert client.post("/v1/predict", json={}).status_code == 422
    assert client.post("/v1/predict", data="{").status_code == 415
    predictor.install("full", {})
    assert client.post("/v1/predict", json=home).status_code == 503
    error_reports.stop(reporting)
    assert sentry.bodies == []


def test_of_many_errors_the_first_ones_are_sent(reporting, sentry):
    held, queued = counted("held"), counted("queued")
    client = reporting.test_client()
    for _ in range(25):
        assert client.post("/fail/x").status_code == 500
    error_reports.stop(reporting)
    assert len(sentry.events()) == 10
    assert counted("queued") - queued == 10
    assert counted("held") - held == 15


# --- Sentry in trouble ----------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500])
def test_what_sentry_refuses_is_counted_as_lost(app, status, capsys):
    lost = counted("lost")
    with Receiver(status=status) as refusing:
        made = reporting_app(refusing.dsn)
        assert made.test_client().post("/fail/x").status_code == 500
        refusing.wait(lambda: counted("lost") > lost)
        error_reports.stop(made)
    assert capsys.readouterr().err == ""


def test_a_hung_sentry_holds_up_neither_an_answer_nor_the_end(app):
    with Receiver(hangs=True) as hung:
        made = reporting_app(hung.dsn)
        client = made.test_client()
        began = time.monotonic()
        for _ in range(5):
            assert client.post("/fail/x").status_code == 500
        assert time.monotonic() - began < 2
        hung.wait(lambda: hung.bodies)
        began = time.monotonic()
        error_reports.stop(made)
        assert time.monotonic() - began < 2


def test_a_report_that_fails_is_logged_and_the_answer_stays(
    reporting, capsys, monkeypatch
):
    monkeypatch.setattr(error_reports, "_MOST", "no number")
    assert reporting.test_client().post("/fail/x").status_code == 500
    assert '"error not reported"' in capsys.readouterr().out


def test_only_its_own_thread_is_started_and_it_ends(app, sentry):
    def threads():
        names = {thread.name for thread in threading.enumerate()}
        return {name for name in names if "sentry" in name.lower()}

    made = reporting_app(sentry.dsn)
    error_reports.start(made)
    assert threads() == set()
    made.test_client().post("/fail/x")
    assert threads() == {"sentry-sdk.BackgroundWorker"}
    error_reports.stop(made)
    sentry.wait(lambda: not threads())


def test_outside_requests_and_apps_it_is_quiet(app):
    error_reports.send(ValueError("nobody listens"))
    with app.app_context():
        error_reports.send(ValueError("nobody listens"))
