"""Model cards say what the manifest says."""

import re
from dataclasses import replace

import pytest

from housing_app.training import cards
from housing_app.training.tables import number, percent
from housing_app.valuation import explanations


@pytest.fixture(scope="module")
def manifest(pair):
    return pair[0].manifest


@pytest.fixture(scope="module")
def card(manifest):
    return cards.card(manifest)


def changed(manifest, **metrics):
    return replace(manifest, metrics=manifest.metrics | metrics)


def section(card, heading):
    return card.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_a_card_has_its_sections_in_order(card):
    assert card.startswith("# Model card: lightgbm-full-1\n")
    assert re.findall("^## (.*)$", card, re.M) == [
        "What it is",
        "Use",
        "Accuracy",
        "What prices rest on",
        "Fairness",
        "Limits",
        "Data and licence",
    ]
    assert not re.search(r"\n\n\n|\bNone\b|\bnan\b|[{}]", card)


def test_a_card_comes_from_the_manifest_alone(manifest, card):
    assert cards.card(manifest) == card


def test_a_card_says_what_was_learned_from(manifest, card):
    text = section(card, "What it is")
    trained = manifest.training
    for said in (
        "1,200 sales in 3 zipcodes, 2014-05-02 to 2015-03-31",
        trained["sha256"],
        "17 fields",
        "25 trees",
        f"Seed {trained['seed']}",
        f"numpy {manifest.libraries['numpy']}",
    ):
        assert said in text


def test_a_card_has_the_figures(manifest, card):
    text = section(card, "Accuracy")
    later = manifest.metrics["out_of_time"]
    for name, value in later["overall"].items():
        assert number(name, value) in text
    for found in later["coverage"].values():
        assert percent(found["achieved"]) in text
    for row in later["by_decile"]:
        cells = (str(row["decile"]), f"{row['n']:,}", percent(row["mdape"]))
        assert f"| {' | '.join(cells)} |" in text
    for part in ("by_month", "by_zipcode", "by_missing"):
        for label, row in later[part].items():
            cells = (label, f"{row['n']:,}", percent(row["mdape"]))
            assert f"| {' | '.join(cells)} |" in text


def test_of_many_zipcodes_the_best_and_worst_ten_are_listed(manifest):
    later = manifest.metrics["out_of_time"]
    some = next(iter(later["by_zipcode"].values()))
    many = {f"{98000 + k}": some | {"mdape": k / 100} for k in range(30)}
    text = cards.card(changed(manifest, out_of_time=later | {"by_zipcode": many}))
    listed = re.findall(r"^\| (98\d{3}) \|", text, re.M)
    assert listed == [f"{98000 + k}" for k in (*range(10), *range(20, 30))]
    assert "best and worst 10 of 30" in text


def test_reasons_are_listed_by_their_size(manifest, card):
    found = manifest.metrics["importance"]
    sizes = [float(size) for size in re.findall(r"\) \| (0\.\d{3}) \|$", card, re.M)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == len(found) > 5
    for name in found:
        assert f"| {explanations.LABELS[name]} (`{name}`) |" in card


def test_a_model_without_reasons_says_so(pair):
    text = section(cards.card(pair[1].manifest), "What prices rest on")
    assert "no reasons" in text
    assert "`sqft_living`" in text


def test_fairness_is_shown_beside_the_challenger_without_demographics(manifest, card):
    text = section(card, "Fairness")
    beside = manifest.metrics["without_demographics"]
    for name, rows in manifest.metrics["out_of_time"]["fairness"].items():
        for row, other in zip(rows, beside["fairness"][name], strict=True):
            start = rf"^\| {row['quartile']} \| .* \| {row['n']} \| "
            figures = percent(row["mdape"])
            end = f"{percent(other['mdape'])} | {percent(other['bias'], '+')} |"
            assert re.search(
                f"{start}{re.escape(figures)}.*{re.escape(end)}$", text, re.M
            )
    assert percent(beside["overall"]["mdape"]) in text
    assert f"Wilcoxon p = {beside['paired']['wilcoxon']:.2g}" in text


def test_without_a_challenger_the_columns_are_left_out(manifest):
    metrics = dict(manifest.metrics)
    del metrics["without_demographics"]
    text = section(cards.card(replace(manifest, metrics=metrics)), "Fairness")
    assert "without" not in text
    assert "By median household income of the zipcode" in text


def test_columns_of_race_and_ethnicity_are_named_where_a_model_uses_them(manifest):
    text = section(cards.card(manifest), "Fairness")
    assert "It uses no column of race or ethnicity." in text
    other = replace(manifest, demographics=["population", "pct_black", "pct_asian"])
    text = section(cards.card(other), "Fairness")
    assert "It uses `pct_black`, `pct_asian` of race or ethnicity." in text


def test_unmeasured_fairness_is_said_to_be(manifest):
    later = manifest.metrics["out_of_time"] | {"fairness": {}}
    text = section(cards.card(changed(manifest, out_of_time=later)), "Fairness")
    assert "Not measured" in text


def test_limits_that_are_missed_are_named(manifest):
    later = manifest.metrics["out_of_time"]
    figures = later["overall"] | {"cod": 16.23, "prd": 1.0, "prb": -0.06}
    missed = changed(manifest, out_of_time=later | {"overall": figures})
    text = section(cards.card(missed), "Limits")
    assert "COD is 16.2, outside 5.0 to 15.0; PRB is −0.060" in text
    assert "PRD" not in text
    kept = later["overall"] | {"cod": 10.0, "prd": 1.0, "prb": 0.0}
    good = changed(manifest, out_of_time=later | {"overall": kept})
    assert "all kept" in section(cards.card(good), "Limits")


def test_an_artifact_of_single_sales_warns_against_publishing(pair):
    manifest = pair[1].manifest
    single = replace(manifest, model=manifest.model | {"single_sales": True})
    assert "do not publish" in section(cards.card(single), "Use").replace("\n", " ")
    assert "do not publish" not in cards.card(manifest)


def test_an_imported_model_is_not_said_to_be_judged_on_later_sales(manifest):
    later = dict(manifest.metrics["out_of_time"])
    del later["cut"]
    metrics = {"out_of_time": later, "note": "imported: may have seen them"}
    text = cards.card(replace(manifest, metrics=metrics))
    assert "Imported: may have seen them." in section(text, "Accuracy")
    assert "was fitted" not in text
    assert "Checked on" in section(text, "What it is")
