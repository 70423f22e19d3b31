"""When a release is no good, by its metrics."""

import math
from collections import Counter

import pytest
from rollout_scripts import asking, watch

LIMITS = watch.Limits(seconds=60, errors=0.01, p95=0.5, least=100)
METRICS = """
# TYPE http_requests_total counter
http_requests_total{method="POST",route="/v1/predict",status="200"} 90.0
http_requests_total{method="POST",route="/v1/predict",status="422"} 6.0
http_requests_total{method="POST",route="/v1/predict",status="503"} 3.0
http_requests_total{method="POST",route="/v1/predict/minimal",status="500"} 1.0
http_requests_total{method="GET",route="/health/ready",status="503"} 7.0
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.1",route="/v1/predict"} 95.0
http_request_duration_seconds_bucket{le="1.0",route="/v1/predict"} 98.0
http_request_duration_seconds_bucket{le="+Inf",route="/v1/predict"} 100.0
http_request_duration_seconds_bucket{le="+Inf",route="/health/ready"} 900.0
"""


def of(requests, errors=0, slow=0):
    quick = requests - slow
    buckets = {0.1: quick, 0.5: quick, 2.5: requests, math.inf: requests}
    return watch.Sample(requests, errors, Counter(buckets))


@pytest.mark.parametrize(
    ("found", "is_over"),
    [
        (of(0), False),
        (of(19, errors=19), False),
        (of(100), True),
        (of(1000, errors=10), True),
        (of(1000, slow=50), True),
        (of(99, slow=99), False),
    ],
)
def test_what_is_no_reason(found, is_over):
    watch.judge(found, LIMITS, is_over=is_over)


@pytest.mark.parametrize(
    ("found", "is_over", "why"),
    [
        (of(20, errors=1), False, "1 of 20 requests failed"),
        (of(1000, errors=11), True, "11 of 1000 requests failed"),
        (of(100, slow=6), False, "95th percentile of 100 requests is up to 2.5 s"),
        (of(99), True, "99 requests in 60 s are too few"),
    ],
)
def test_what_is_a_reason(found, is_over, why):
    with pytest.raises(asking.Failed, match=why):
        watch.judge(found, LIMITS, is_over=is_over)


def test_more_than_the_largest_bucket_is_said_so():
    found = watch.Sample(100, 0, Counter({1.0: 0, 10.0: 0, math.inf: 100}))
    with pytest.raises(asking.Failed, match="is over 10 s"):
        watch.judge(found, LIMITS, is_over=True)


def test_only_answers_of_the_api_count(monkeypatch):
    monkeypatch.setattr(watch, "ask", lambda _: (200, METRICS.encode()))
    found = watch.sample(["http://one", "http://two"])
    assert (found.requests, found.errors) == (200, 8)
    assert found.buckets == {0.1: 190, 1.0: 196, math.inf: 200}
    assert found.p95() == 0.1


def test_an_instance_that_started_anew_is_a_reason():
    assert of(30).since(of(10)).requests == 20
    with pytest.raises(asking.Failed, match="started anew"):
        of(10).since(of(30))


def test_no_answer_is_a_reason(dead_port):
    with pytest.raises(asking.Failed, match="no answer"):
        watch.watch(lambda: [f"http://127.0.0.1:{dead_port}"], LIMITS)
