"""Tables from figures; goals that are missed stay, and say so."""

import homes
import pytest
import report


def loop(server, connections, rate):
    times = {"p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 2.5, "max_ms": 90.0, "errors": 0}
    return {"server": server, "connections": connections, "rate": rate, **times}


@pytest.fixture
def load():
    row = loop("ours", 8, 600.0)
    return {
        "workers": 2,
        "closed": [loop("empty", 8, 1_000.0), row],
        "details": [
            row | {"kind": "1,000 homes", "homes_rate": 40_000.0},
            row | {"kind": "explained", "homes_rate": 100.0},
            row | {"kind": "5 comparables", "homes_rate": 500.0},
        ],
        "open": [row | {"share": 0.5}, row | {"share": 0.8}],
    }


def test_goals_are_judged_and_those_missed_stay(load):
    rows = [line.split(" | ") for line in report.goals({"load": load}).splitlines()]
    told = {row[0].strip("| "): row[2:] for row in rows[2:]}
    assert told["one home, of the empty view's rate"] == ["0.6", "yes |"]
    assert told["explained homes/s of a core"] == ["50", "**no** |"]
    assert told["p99 ÷ p50 at half load, open loop"] == ["2.5", "yes |"]
    assert len(told) == 6  # of what was not measured nothing is said


def test_a_peer_that_failed_is_listed_with_the_reason():
    figures = [
        loop("", 8, 900.0) | {"name": "housing_app", "kind": ""},
        loop("", 8, 100.0) | {"name": "B", "kind": "knn", "versions": {"b": "1.0"}},
        {"name": "C", "kind": "knn", "failed": "not installed: no wheel"},
    ]
    text = report.peers(figures)
    assert "| B | knn | 100 | 9 |" in text
    assert "not installed: no wheel" in text
    assert report._peer(figures) == 9


def test_a_section_names_command_commit_and_versions(load):
    about = {
        "command": "python x.py",
        "date": "2026-01-02",
        "commit": "abc",
        "cores": 2,
    }
    about |= {"python": "3.11.7", "versions": {"flask": "3.1"}}
    text = report.rendered({"load": {"about": about, "figures": load}})
    for word in ("python x.py", "2026-01-02", "abc", "2 cores", "3.11.7", "flask 3.1"):
        assert word in text


def test_homes_are_the_same_for_a_seed_and_no_two_are_alike():
    first, again = (list(homes.bodies(300, seed=3)) for _ in range(2))
    assert first == again
    assert len(set(first)) == 300


def test_the_homes_are_good(client):
    for body in homes.bodies(5, records=40, seed=1):
        sent = {"content_type": "application/json"}
        assert client.post("/v1/predict", data=body, **sent).status_code == 200
