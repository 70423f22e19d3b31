"""That names are found in expressions is what other tests rest on."""

import pytest

from tests.deploy.promql import named


@pytest.mark.parametrize(
    ("expression", "metrics", "groups"),
    [
        ("up", {"up": set()}, set()),
        ('up{job="a"} == 1', {"up": {"job"}}, set()),
        (
            "time() - max by (job) (x_seconds) > 2 * 86400",
            {"x_seconds": set()},
            {"job"},
        ),
        (
            'sum by (a, b) (rate(x_total{c=~"a{2},d=\\"", d!="1"}[5m])) > 256e6',
            {"x_total": {"c", "d"}},
            {"a", "b"},
        ),
        (
            "(x_total > 0 unless x_total offset 15m) and on (job) a:b:rate5m > 0.1",
            {"x_total": set(), "a:b:rate5m": set()},
            {"job"},
        ),
        (
            'topk(8, max by (field) (x{instance=~"$instance"}))',
            {"x": {"instance"}},
            {"field"},
        ),
        (
            "histogram_quantile(0.5, sum(rate(x_bucket[$__rate_interval])) by (le))",
            {"x_bucket": set()},
            {"le"},
        ),
    ],
)
def test_metrics_and_labels_are_found(expression, metrics, groups):
    found = named(expression)
    assert found.metrics == metrics
    assert found.groups == groups


def test_values_are_found():
    assert named('x{a="b", c=~"d|e f"} or y{a!="g"}').values == {
        ("a", "=", "b"),
        ("c", "=~", "d|e f"),
        ("a", "!=", "g"),
    }
