"""Spans of requests and their steps, taken by a real HTTP server."""

import dataclasses
import json
import subprocess
import sys
import threading
import time

import pytest
from prometheus_client import REGISTRY
from receivers import Receiver
from served import Model

from housing_app import create_app, otlp, tracing
from housing_app.config import ROOT
from housing_app.valuation import predictor

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"  # pragma: allowlist secret
CALLER = "00f067aa0ba902b7"
SAMPLED = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
STEPS = ["validate", "join", "value", "journal"]
SECRET = "s3cret"  # pragma: allowlist secret


def traced_app(url, **settings):
    # The models are those of `app`, which every test here asks for.
    plain = {"RATE_LIMIT": "off", "CACHE": "off", "OTEL_EXPORTER_OTLP_ENDPOINT": url}
    return create_app(plain | settings)


@pytest.fixture
def collector():
    with Receiver() as found:
        yield found


@pytest.fixture
def traced(app, collector):
    made = traced_app(collector.url)
    yield made
    tracing.stop(made)


def sent(app, collector):
    """Return the spans that arrived: roots of this service, and steps by their parent."""
    tracing.stop(app)
    spans = collector.spans()
    roots = [span for span in spans if span.kind == 2]
    children = {
        root.id: sorted(
            (span for span in spans if span.parent == root.id), key=lambda s: s.began
        )
        for root in roots
    }
    assert len(roots) + sum(map(len, children.values())) == len(spans)
    return roots, children


def counted(result):
    return REGISTRY.get_sample_value("trace_spans_total", {"result": result}) or 0


def test_a_request_is_a_span_with_its_steps_under_the_callers(traced, collector, home):
    headers = SAMPLED | {"X-Request-ID": "traced-1"}
    traced.test_client().post("/v1/predict", json=home, headers=headers).close()
    (root,), children = sent(traced, collector)
    assert (root.name, root.trace, root.parent) == ("POST /v1/predict", TRACE, CALLER)
    assert root.about == {
        "http.request.method": "POST",
        "http.route": "/v1/predict",
        "url.path": "/v1/predict",
        "url.scheme": "http",
        "http.response.status_code": 200,
        "housing_app.request_id": "traced-1",
    }
    assert root.service["service.name"] == "housing_app"
    assert root.service["service.version"] == traced.config["VERSION"]
    steps = children[root.id]
    assert [step.name for step in steps] == STEPS
    assert {step.trace for step in steps} == {TRACE}
    model = predictor.current("full").manifest.id
    assert [step.about.get("housing_app.model") for step in steps].count(model) == 1
    times = [moment for step in steps for moment in (step.began, step.ended)]
    assert sorted(times) == times, "one after the other"
    assert root.began <= times[0] < times[-1] <= root.ended
    assert not any(span.is_error for span in (root, *steps))


@pytest.mark.parametrize(
    "sent_header",
    ["", "junk", f"ff-{TRACE}-{CALLER}-01", f"00-{TRACE}-{'0' * 16}-01", "x" * 9_000],
)
def test_without_a_good_traceparent_a_trace_begins_here(
    traced, collector, capsys, sent_header
):
    client = traced.test_client()
    client.get("/health/live", headers={"traceparent": sent_header}).close()
    (root,), _ = sent(traced, collector)
    assert root.parent == ""
    assert root.trace not in {TRACE, "0" * 32}
    (line,) = [
        json.loads(text)
        for text in capsys.readouterr().out.splitlines()
        if '"request"' in text
    ]
    assert line["trace_id"] == root.trace


def test_spans_hold_no_payload_query_token_or_address(traced, collector, home):
    client = traced.test_client()
    headers = {"Authorization": f"Bearer {SECRET}", "Cookie": SECRET, "Referer": SECRET}
    headers |= {
        "User-Agent": SECRET,
        "X-Client-Id": SECRET,
        "tracestate": f"a={SECRET}",
    }
    marked = home | {"sqft_lot": 98765.4321, SECRET: 1}
    base = f"http://{SECRET}.example"
    for body in (home | {"sqft_lot": 98765.4321}, marked):
        path = f"/v1/predict?interval=0.8&{SECRET}={SECRET}"
        client.post(path, base, json=body, headers=SAMPLED | headers).close()
    client.get(f"/nope#{SECRET}", headers=headers).close()
    sent(traced, collector)
    received = b"".join(body for _, _, body in collector.bodies)
    assert b"POST /v1/predict" in received
    for private in (SECRET, "98765.4321", home["zipcode"], "127.0.0.1"):
        assert private.encode() not in received


@pytest.mark.parametrize(
    "path", ["/\xff\xfe", "/%ff%fe", "/x%00\ud800", "/" + "x" * 3_000]
)
def test_no_path_spoils_a_batch(traced, collector, path):
    client = traced.test_client()
    client.get(path.encode("utf-8", "replace").decode()).close()
    client.get("/health/live").close()
    roots, _ = sent(traced, collector)
    assert [root.name for root in roots] == ["GET", "GET /health/live"]
    assert len(roots[0].about["url.path"]) <= 512


def test_a_client_cannot_make_names_of_spans(traced, collector):
    traced.test_client().open("/v1/info", method="FORGED").close()
    (root,), _ = sent(traced, collector)
    assert root.about["http.request.method"] == "_OTHER"
    assert "FORGED" not in root.name


def test_a_failure_is_told_by_its_kind_alone(traced, collector, home, slots):
    champion = slots["full"]["champion"]
    broken = dataclasses.replace(champion, model=Model(ValueError(SECRET)))
    predictor.install("full", slots["full"] | {"champion": broken})
    traced.add_url_rule("/boom", "boom", lambda: {}[SECRET])
    client = traced.test_client()
    client.post("/v1/predict", json=home).close()
    client.get("/boom").close()
    (answered, failed), children = sent(traced, collector)
    steps = children[answered.id]
    assert [step.name for step in steps] == [*STEPS[:3], *STEPS[1:]], "the fallback's"
    assert [step.about.get("error.type") for step in steps if step.is_error] == [
        "ValueError"
    ]
    assert not answered.is_error
    assert failed.is_error
    assert failed.about["error.type"] == "500"
    assert SECRET.encode() not in b"".join(body for _, _, body in collector.bodies)


def test_a_share_is_traced_and_the_caller_decides_for_its_own(app, collector, capsys):
    made = traced_app(collector.url, OTEL_TRACES_SAMPLER_ARG=0.0)
    client = made.test_client()
    client.get("/health/live").close()
    client.get("/health/live", headers=SAMPLED).close()
    unsampled = {"traceparent": f"00-{'9' * 32}-{CALLER}-00"}
    client.get("/health/live", headers=unsampled).close()
    roots, _ = sent(made, collector)
    assert [root.trace for root in roots] == [TRACE]
    lines = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert [line["trace_id"] for line in lines[1:]] == [TRACE, "9" * 32]


def test_headers_go_to_the_collector(app, collector):
    made = traced_app(collector.url, OTEL_EXPORTER_OTLP_HEADERS={"x-token": SECRET})
    made.test_client().get("/health/live").close()
    sent(made, collector)
    path, headers, _ = collector.bodies[0]
    assert (path, headers["x-token"]) == ("/v1/traces", SECRET)
    assert headers["content-type"] == "application/x-protobuf"


# --- a collector in trouble -----------------------------------------------------------


def test_what_a_hung_collector_is_too_slow_for_is_dropped_and_counted(app, monkeypatch):
    monkeypatch.setattr(otlp, "_WAITING", 20)
    monkeypatch.setattr(otlp, "_EVERY_MS", 50)
    dropped = counted("dropped")
    with Receiver(hangs=True) as hung:
        made = traced_app(hung.url)
        client = made.test_client()
        client.get("/health/live").close()
        hung.wait(lambda: hung.bodies)
        began = time.monotonic()
        for _ in range(100):
            with client.get("/health/live") as answer:
                assert answer.status_code == 200
        assert time.monotonic() - began < 5
        assert counted("dropped") - dropped == pytest.approx(80, abs=2)
        began = time.monotonic()
        tracing.stop(made)
        assert time.monotonic() - began < 2


def test_a_collector_that_goes_and_comes_is_told_once_each(app, capsys, monkeypatch):
    monkeypatch.setattr(otlp, "_EVERY_MS", 20)
    monkeypatch.setattr(otlp, "_TIMEOUT_SECONDS", 0.2)
    failed, arrived = counted("failed"), counted("sent")
    with Receiver(status=503) as found:
        made = traced_app(found.url)
        client = made.test_client()

        def tell():
            client.get("/health/live").close()
            return found

        for count in (1, 2, 3):
            tell()
            found.wait(lambda count=count: counted("failed") >= failed + count)
        found.status = 200
        tell()
        found.wait(lambda: counted("sent") > arrived)
        tracing.stop(made)
    text = capsys.readouterr()
    lines = [json.loads(one) for one in text.out.splitlines() if '"collector"' in one]
    assert [line["up"] for line in lines] == [False, True]
    assert lines[0]["reason"]
    assert text.err == ""


def test_one_thread_is_started_and_it_ends(app, collector):
    def exporters():
        return [t for t in threading.enumerate() if t.name.startswith("OtelBatch")]

    before = len(exporters())
    made = traced_app(collector.url)
    assert len(exporters()) == before, "none before a fork"
    made.test_client().get("/health/live").close()
    made.test_client().get("/health/live").close()
    assert len(exporters()) == before + 1
    tracing.stop(made)
    collector.wait(lambda: len(exporters()) <= before)


# --- off, and not installed -----------------------------------------------------------


def test_unset_nothing_of_it_is_loaded_or_called(app):
    code = (
        "import sys, wsgi; wsgi.app.test_client().get('/health/live')\n"
        # Not all of opentelemetry: redis-py loads some where it is installed.
        "print([n for n in sys.modules if n.startswith(('opentelemetry.exporter',"
        " 'opentelemetry.sdk.trace', 'sentry_sdk', 'requests', 'housing_app.otlp'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
    hooks = [*app.before_request_funcs[None], *app.after_request_funcs[None]]
    assert not any("tracing" in hook.__module__ for hook in hooks)
    assert tracing.step("value") is tracing.step("join", "model")


@pytest.mark.parametrize(
    ("name", "value", "module", "extra"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9", "opentelemetry", "otel"),
        ("SENTRY_DSN", "http://k@127.0.0.1:9/1", "sentry_sdk", "sentry"),
    ],
)
def test_set_without_its_extra_the_start_says_what_to_install(
    monkeypatch, name, value, module, extra
):
    monkeypatch.setenv(name, value)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.modules['{module}'] = None; import wsgi",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"housing_app cannot start: {name}: {module}")
    assert f"pip install 'housing_app[{extra}]'" in last
    assert "Traceback" not in done.stderr
