"""docs/slo.md: its indicators, evaluated by promtool on series whose shares are known."""

import subprocess

import pytest
import yaml
from test_metric_names import indicators

from housing_app.config import ROOT
from tests.deploy.conftest import program

INDICATORS = indicators()
HTTP = 'http_requests_total{instance="a", route="/v1/predict", status='
SECONDS = "http_request_duration_seconds"
LIVE = '{instance="%s", slot="full", model="catboost", version="%d"%s}'
SERIES = {
    f'{HTTP}"200"}}': "0+997x60",
    f'{HTTP}"422"}}': "0+2x60",
    f'{HTTP}"500"}}': "0+1x60",
    f'{SECONDS}_bucket{{route="/v1/predict", le="0.5"}}': "0+96x60",
    f'{SECONDS}_count{{route="/v1/predict"}}': "0+100x60",
    f'{SECONDS}_bucket{{route="/v1/info", le="0.5"}}': "0+0x60",
    f'{SECONDS}_count{{route="/v1/info"}}': "0+100x60",
    'prediction_requests_total{variant="champion"}': "0+98x60",
    'prediction_requests_total{variant="fallback"}': "0+2x60",
    'journal_records_total{instance="a"}': "0+90x60",
    'journal_dropped_total{instance="a"}': "0+10x60",
    # Two instances; one is behind at 15 of the 61 looks.
    'journal_oldest_seconds{instance="a"}': "1x60",
    'journal_oldest_seconds{instance="b"}': "1x45 400x14",
    # Both say the same of the first model; the second counts for a fifth.
    "live_coverage" + LIVE % ("a", 1, ', level="0.9"'): "0.92x60",
    "live_coverage" + LIVE % ("b", 1, ', level="0.9"'): "0.92x60",
    "live_coverage" + LIVE % ("a", 2, ', level="0.9"'): "0.82x60",
    "live_coverage" + LIVE % ("a", 1, ', level="0.5"'): "0.5x60",
    "live_outcomes" + LIVE % ("a", 1, ""): "400x60",
    "live_outcomes" + LIVE % ("b", 1, ""): "400x60",
    "live_outcomes" + LIVE % ("a", 2, ""): "100x60",
}
VALUES = {
    "objective 1": ("{}", 0.999),
    "objective 2": ("{}", 0.96),
    "objective 3": ("{}", 0.98),
    "objective 4": ("{}", 0.9),
    "objective 5": ("{}", round(46 / 61, 4)),
    "objective 6": ('{slot="full"}', 0.9),
}


def promtool(folder, values, series=SERIES):
    """Test the indicators against values, (labels, value) by objective."""
    cases = [
        {
            # Rounded, for an increase is not exact in binary.
            "expr": f"round({INDICATORS[name]}, 0.0001)",
            "eval_time": "1h",
            "exp_samples": [{"labels": labels, "value": value}],
        }
        for name, (labels, value) in values.items()
    ]
    test = {
        "rule_files": [str(ROOT / "deploy" / "prometheus" / "recording.yml")],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": name, "values": value} for name, value in series.items()
                ],
                "promql_expr_test": cases,
            }
        ],
    }
    path = folder / "slo.yml"
    path.write_text(yaml.safe_dump(test))
    return subprocess.run(
        [program("promtool"), "test", "rules", path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_indicator_is_the_share_it_says_it_is(tmp_path):
    assert VALUES.keys() == INDICATORS.keys()
    done = promtool(tmp_path, VALUES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", VALUES)
def test_another_share_would_be_noticed(tmp_path, name):
    labels, value = VALUES[name]
    done = promtool(tmp_path, {name: (labels, value - 0.001)})
    assert done.returncode != 0
    assert "FAILED" in done.stdout + done.stderr


def test_nothing_bad_yet_is_a_share_of_one(tmp_path):
    good = {
        name: values
        for name, values in SERIES.items()
        if '"500"' not in name and "fallback" not in name
    }
    whole = dict.fromkeys(("objective 1", "objective 3"), ("{}", 1))
    done = promtool(tmp_path, whole, good)
    assert done.returncode == 0, done.stdout + done.stderr
