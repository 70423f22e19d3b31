"""The gate: an equal model passes, a worse one is refused for what is worse in it."""

from datetime import UTC, date, datetime

import pytest
from training import synthetic
from training.spoiled import renamed, spoiled, with_ranges

from housing_app.training import criteria, evidence, gate
from housing_app.training.criteria import BY_KEY, GATES, Gate
from housing_app.training.recipes import Recipe
from housing_app.training.train import train
from housing_app.valuation import artifacts, loading

NOW = datetime(2015, 6, 1, 12, tzinfo=UTC)
CHEAP = {
    "one.p50": (1.0, None),
    "one.p99": (1.0, None),
    "thousand.p50": (1.0, None),
    "thousand.p99": (1.0, None),
    "memory": (8.0, 8.0),
}
ZIPCODE = next(iter(synthetic.ZIPCODES))


@pytest.fixture(scope="module")
def champion(sales, shipped_demographics, examples, tmp_path_factory):
    """A good model, so that each fault planted in another is the only one."""
    recipe = Recipe("lightgbm", "full", trees=150)
    made = train(
        recipe,
        sales,
        shipped_demographics,
        examples,
        name="champion",
        version=1,
        cut=date(2015, 2, 1),
    )
    root = tmp_path_factory.mktemp("champion")
    return loading.load(artifacts.write(root, made.manifest, made.files))


@pytest.fixture(scope="module")
def judged(champion, newer, shipped_demographics):
    """Hold a candidate beside the champion, both as they are on later sales."""

    def record_of(candidate, costs=CHEAP):
        pair = (renamed(candidate), champion)
        told = evidence.gather(pair, newer, shipped_demographics)
        return gate.judge(pair, told, costs, shipped_demographics, NOW)

    return record_of


def failed(record):
    return {row["gate"] for row in record["rows"] if row["passed"] is False}


def test_there_are_enough_sales_to_judge_on(newer):
    zipcodes = [newer.homes.zipcodes.count(z) for z in synthetic.ZIPCODES]
    assert len(newer) >= 300
    assert min(zipcodes) >= 60


@pytest.fixture(scope="module")
def equal(judged, champion):
    return judged(champion)


def test_an_equal_model_passes_every_criterion(equal, newer):
    assert equal["passed"] is True
    assert {row["gate"] for row in equal["rows"]} == set(BY_KEY)
    assert all(row["passed"] for row in equal["rows"])
    assert equal["sales"] == len(newer)


@pytest.mark.parametrize(
    ("how", "noticed"),
    [
        ({"factor": 1.10}, {"bias", "mdape", "ppe10", "paired", "thirds"}),
        ({"factor": 0.90}, {"bias", "mdape", "ppe10", "paired", "thirds"}),
        ({"factor": 1.30, "zipcode": ZIPCODE}, {"zipcode", "zipcodes", "paired"}),
        ({"factor": 0.70, "zipcode": ZIPCODE}, {"zipcode", "zipcodes", "paired"}),
        ({"factor": 2.50, "zipcode": ZIPCODE}, {"likeness"}),
    ],
    ids=lambda x: "-".join(map(str, x.values())) if isinstance(x, dict) else "",
)
def test_wrong_prices_are_refused(judged, champion, how, noticed):
    record = judged(spoiled(champion, **how))
    assert record["passed"] is False
    assert noticed <= failed(record)


def test_too_narrow_ranges_are_refused_and_nothing_else(judged, champion):
    found = failed(judged(with_ranges(champion, 0.2)))
    coverage = {
        f"{name}_{x}" for name in ("coverage", "decile") for x in (0.5, 0.8, 0.9)
    }
    assert {"coverage_0.5", "coverage_0.8", "coverage_0.9"} <= found <= coverage


def test_too_wide_ranges_are_refused(judged, champion):
    assert {"width", "coverage_0.5"} <= failed(judged(with_ranges(champion, 2)))


@pytest.mark.parametrize(
    ("name", "value"),
    [("one.p50", 2.1), ("one.p99", 2.1), ("thousand.p50", 2.1), ("thousand.p99", 2.1)],
)
def test_a_slow_model_is_refused(judged, champion, name, value):
    record = judged(champion, CHEAP | {name: (value, None)})
    assert failed(record) == {name}
    assert record["passed"] is False


def test_a_model_that_needs_too_much_memory_is_refused(judged, champion):
    assert failed(judged(champion, CHEAP | {"memory": (300.0, 8.0)})) == {"memory"}
    assert judged(champion, CHEAP | {"memory": (300.0, 300.0)})["passed"]


def test_what_could_not_be_judged_is_not_passed_unless_it_is_optional(judged, champion):
    unmeasured = {k: v for k, v in CHEAP.items() if k != "one.p50"}
    assert judged(champion, unmeasured)["passed"] is False
    unknown = judged(champion, CHEAP | {"memory": (None, None)})
    (row,) = (row for row in unknown["rows"] if row["gate"] == "memory")
    assert row["passed"] is None
    assert row["why"] == BY_KEY["memory"].optional
    assert unknown["passed"] is True


def test_a_better_model_passes_where_the_champion_is_bad(
    champion, newer, shipped_demographics
):
    bad = renamed(spoiled(champion, factor=1.2), "bad")
    told = evidence.gather((champion, bad), newer, shipped_demographics)
    record = gate.judge((champion, bad), told, CHEAP, shipped_demographics, NOW)
    assert record["passed"], failed(record)
    rows = {row["gate"]: row for row in record["rows"]}
    assert rows["bias"]["champion"] > 0.1


def test_a_candidate_that_cannot_be_loaded_fails(champion):
    manifest = champion.manifest
    record = gate.unsound(renamed(champion).manifest, manifest, "bytes differ", NOW)
    assert record["passed"] is False
    assert failed(record) == {"faults"}
    assert "bytes differ" in gate.table(record).text()


def test_the_record_names_both_to_the_last_bit_and_holds_no_single_sale(
    equal, champion, newer
):
    assert equal["champion"] == {
        "id": champion.manifest.id,
        "digest": champion.manifest.digest,
    }
    assert equal["candidate"]["digest"] != champion.manifest.digest
    assert equal["date"] == "2015-06-01T12:00:00+00:00"
    assert equal["sales_sha256"] == newer.sha256
    assert all(
        isinstance(row[key], int | float | None)
        for row in equal["rows"]
        for key in ("value", "champion")
    )


def test_the_table_says_what_failed_and_why(judged, champion):
    text = gate.table(judged(spoiled(champion, factor=1.1))).text()
    assert f"Bias: NO; {BY_KEY['bias'].why}." in text
    assert text.endswith("other-1 FAILED the gate against champion-1.")


def test_figures_of_both_manifests_are_enough(pair, shipped_demographics):
    manifests = [model.manifest for model in pair]
    told = evidence.stored(*manifests)
    record = gate.judge(pair, told, CHEAP, shipped_demographics, NOW)
    rows = {row["gate"]: row for row in record["rows"]}
    later = [manifest.metrics["out_of_time"]["overall"] for manifest in manifests]
    assert [rows["mdape"][k] for k in ("value", "champion")] == [
        figures["mdape"] for figures in later
    ]
    assert rows["paired"]["passed"] is None
    assert "the figures in both manifests" in record["way"]


# --- the table of criteria ------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "champion", "passes"),
    [
        (0.01, None, True),
        (-0.02, 0.0, True),
        (0.03, 0.0, False),
        (0.03, -0.03, True),
        (0.033, -0.03, True),
        (0.034, -0.03, False),
        (-0.03, -0.02, False),
        (0.03, None, False),
    ],
)
def test_limits_are_kept_or_no_worse_than_the_champion(value, champion, passes):
    assert BY_KEY["bias"].passes(value, champion) is passes


@pytest.mark.parametrize(
    ("key", "value", "champion", "passes"),
    [
        ("mdape", 0.083, 0.08, True),
        ("mdape", 0.0831, 0.08, False),
        ("ppe10", 0.59, 0.60, True),
        ("ppe10", 0.589, 0.60, False),
        ("ppe10", 0.70, 0.60, True),
        ("prd", 1.04, 1.05, True),
        ("prd", 1.042, 1.04, True),
        ("prd", 1.043, 1.04, False),
        ("prd", 0.95, 1.04, False),
        ("cod", 16.0, 17.0, True),
    ],
)
def test_margins_are_of_the_champion(key, value, champion, passes):
    assert BY_KEY[key].passes(value, champion) is passes


def test_a_difference_within_chance_is_none():
    assert not BY_KEY["prb"].passes(-0.085, -0.07)
    assert BY_KEY["prb"].passes(-0.085, -0.07, 0.006)
    assert BY_KEY["width"].passes(1.11, None, 0.5) is False


def test_what_is_a_ratio_to_the_champion_has_no_other_excuse():
    assert BY_KEY["width"].passes(1.2, 5.0) is False


@pytest.mark.parametrize("found", GATES, ids=lambda g: g.key)
def test_every_criterion_has_a_reason_and_a_threshold(found: Gate):
    assert found.why
    assert any(character.isdigit() for character in found.threshold)
    assert found.form in criteria.FORMS
