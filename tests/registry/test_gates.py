"""The record of a gate, and for which artifacts it counts."""

import json
from dataclasses import replace

import pytest
from served import FULL, MINIMAL, MODEL, SHIPPED

from housing_app.registry import gates
from housing_app.valuation import artifacts

OTHER = next(name for name in SHIPPED if name not in (FULL, MINIMAL))


@pytest.fixture(scope="module")
def champion():
    return artifacts.read_manifest(MODEL / FULL)


@pytest.fixture(scope="module")
def candidate():
    return artifacts.read_manifest(MODEL / OTHER)


@pytest.fixture
def record(candidate, champion):
    return {
        "candidate": {"id": candidate.id, "digest": candidate.digest},
        "champion": {"id": champion.id, "digest": champion.digest},
        "date": "2015-06-01T12:00:00+00:00",
        "rows": [
            {"name": "Bias", "value": 0.012, "passed": True},
            {"name": "COD", "value": 11.9, "passed": True},
            {"name": "MdAPE above the champion's", "value": None, "passed": None},
        ],
        "passed": True,
    }


@pytest.fixture
def kept(tmp_path, record, candidate, champion):
    """Keep a record, and say why the candidate may not serve."""

    def why_not(against=champion, **changes):
        gates.write(tmp_path, record | changes)
        return gates.why_not(tmp_path, candidate, against)

    return why_not


def test_a_passed_gate_counts(kept):
    assert kept() is None


def test_a_gate_is_kept_beside_the_artifacts_and_instead_of_the_last(
    tmp_path, record, candidate, kept
):
    kept(passed=False)
    assert kept() is None
    folder = tmp_path / "gates"
    assert [path.name for path in folder.iterdir()] == [f"{candidate.id}.json"]
    assert gates.read(tmp_path, candidate.id) == record


def test_without_a_gate_the_way_to_one_is_named(tmp_path, candidate, champion):
    why = gates.why_not(tmp_path, candidate, champion)
    assert why == (
        f"{candidate.id} has passed no gate: run `flask model gate {candidate.id}`"
    )


def test_a_failed_gate_says_what_failed(kept, record):
    rows = [*record["rows"], {"name": "PPE10", "value": 0.1, "passed": False}]
    why = kept(rows=rows, passed=False)
    assert why.endswith("failed its gate on 2015-06-01: PPE10")


def test_what_could_not_be_judged_is_not_passed(kept):
    assert "not every criterion could be judged" in kept(passed=False)


def test_a_record_that_says_passed_above_a_failed_row_does_not_count(kept, record):
    rows = [*record["rows"], {"name": "PPE10", "value": 0.1, "passed": False}]
    assert "PPE10" in kept(rows=rows)


def test_a_gate_against_another_model_does_not_count(kept, candidate):
    other = artifacts.read_manifest(MODEL / MINIMAL)
    why = kept(against=other)
    assert f"was against {FULL}, not against the champion {other.id}" in why


def test_a_champion_that_changed_asks_for_another_gate(kept, champion):
    changed = replace(champion, valuation_date="2015-04-01")
    assert f"{FULL} is not as it was" in kept(against=changed)


def test_a_candidate_that_changed_asks_for_another_gate(
    tmp_path, kept, candidate, champion
):
    kept()
    files = candidate.files | {"price.txt": "0" * 64}
    changed = replace(candidate, files=files)
    why = gates.why_not(tmp_path, changed, champion)
    assert why.startswith(f"{candidate.id} is not as it was when its gate was made")


def test_where_nothing_serves_any_passed_gate_counts(kept):
    assert kept(against=None) is None
    assert kept(against=None, passed=False) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"passed": True},
        {"date": "2016-01-01"},
        {"rows": []},
        {"champion": {"id": "x-1", "digest": "0"}},
    ],
    ids=lambda x: next(iter(x)),
)
def test_a_record_that_was_edited_does_not_count(
    tmp_path, kept, candidate, champion, change
):
    kept(passed=False)
    path = gates.path_of(tmp_path, candidate.id)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    why = gates.why_not(tmp_path, candidate, champion)
    assert why.startswith(f"{path}: changed since it was written")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '"x"', "null", "\x00"])
def test_a_record_that_is_none_does_not_count(
    tmp_path, kept, candidate, champion, text
):
    kept()
    path = gates.path_of(tmp_path, candidate.id)
    path.write_text(text)
    assert str(path) in gates.why_not(tmp_path, candidate, champion)


def test_a_record_that_cannot_be_written_leaves_the_last(tmp_path, kept, candidate):
    kept()
    before = gates.path_of(tmp_path, candidate.id).read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        kept(rows=[{"name": "COD", "value": float("nan"), "passed": True}])
    (path,) = (tmp_path / "gates").iterdir()
    assert path.read_bytes() == before
