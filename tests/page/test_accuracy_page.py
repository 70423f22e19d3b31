"""/accuracy shows the figures of /v1/accuracy, of sales held out and of those reported."""

from decimal import ROUND_HALF_UP, Decimal

import pytest

from housing_app.v1 import schemas


@pytest.fixture
def figures(server):
    return server.get("/v1/accuracy").json()


def opened(window):
    page = window.open("/accuracy")
    page.locator("#figures").wait_for()
    return page


def percent(fraction, digits=0):
    """Round as browsers do: halves away from zero."""
    exact = Decimal(100 * fraction)
    rounded = exact.quantize(Decimal(10) ** -digits, ROUND_HALF_UP)
    return f"{rounded} %".replace("-", "−")


def of_champion(figures, segment):
    (first, *_) = figures["accuracy"]
    return [
        row
        for row in figures["accuracy"]
        if row["segment"] == segment and row["model"] == first["model"]
    ]


def test_every_part_of_the_champion_is_there_with_its_figures(window, figures):
    page = opened(window)
    assert {*schemas.SEGMENTS} == {"overall", "decile", "zipcode", "month", "missing"}
    (whole,) = of_champion(figures, "overall")
    tiles = page.locator("#overall").inner_text()
    for text in (
        f"{whole['n']:,} sales",
        percent(whole["mdape"], 1),
        percent(whole["ppe10"]),
        percent(whole["bias"], 1),
    ):
        assert text in tiles
    for segment in ("decile", "zipcode", "month", "missing"):
        for more in page.locator(f"#{segment} summary").all():
            more.click()
        rows = page.locator(f"#{segment} tbody tr").all()
        known = {row["value"]: row for row in of_champion(figures, segment)}
        assert len(rows) == len(known)
        for row in rows:
            cells = row.inner_text().split("\t")
            found = known[cells[0]] if segment != "month" else None
            if found:
                assert cells[1:4] == [
                    str(found["n"]), percent(found["mdape"], 1), percent(found["ppe10"])
                ]  # fmt: skip


def test_coverage_is_shown(window, figures):
    page = opened(window)
    (whole,) = of_champion(figures, "overall")
    table = page.locator("#coverage").inner_text()
    for level, found in whole["coverage"].items():
        assert f"{percent(float(level))}\t{percent(found['achieved'], 1)}" in table


def test_every_model_is_held_to_the_assessors_limits(window, figures):
    page = opened(window)
    verdicts = set()
    for whole in figures["accuracy"]:
        if whole["segment"] != "overall" or whole["source"] != "holdout":
            continue
        page.locator("#model").select_option(f"{whole['model']} {whole['version']}")
        rows = [row.inner_text() for row in page.locator("#assessors tbody tr").all()]
        for row, name in zip(rows, ("cod", "prd", "prb"), strict=True):
            low, high = figures["limits"][name]
            verdict = "within" if low <= whole[name] <= high else "outside"
            assert row.startswith(name.upper())
            assert row.endswith(verdict)
            verdicts.add(verdict)
    assert verdicts == {"within", "outside"}, "or this shows nothing"


def test_zipcodes_are_on_the_map_by_their_error(window, figures):
    page = opened(window)
    found = of_champion(figures, "zipcode")
    dots = page.locator("#zipcode svg[role=img] .zipcode[class*=' c']")
    assert dots.count() == len(found)
    classes = {
        "c0": sum(row["mdape"] < 0.06 for row in found),
        "c3": sum(row["mdape"] >= 0.10 for row in found),
    }
    for name, count in classes.items():
        assert page.locator(f"#zipcode svg[role=img] .{name}").count() == count


def test_another_model_can_be_chosen(window, figures):
    page = opened(window)
    others = {f"{row['model']} {row['version']}" for row in figures["accuracy"]}
    options = page.locator("#model option").all()
    assert {option.get_attribute("value") for option in options} == others
    before = page.locator("#overall").inner_text()
    page.locator("#model").select_option(label="knn", index=len(options) - 1)
    assert page.locator("#overall").inner_text() != before


def test_what_was_sold_in_service_is_shown_once_it_is_known(window, server, home):
    page = opened(window)
    assert "No sale prices were reported yet" in page.locator("#live").inner_text()
    answer = server.post({"records": [home] * 6}).json()
    outcomes = [
        {"prediction_id": one["id"], "sale_price": 700_000, "sale_date": "2015-05-02"}
        for one in answer["predictions"]
    ]
    assert server.post({"outcomes": outcomes}, "/v1/outcomes").status_code == 201
    for _ in range(100):  # live figures are counted anew every few seconds
        if page.locator("#live tbody tr").count():
            break
        page.wait_for_timeout(100)
        page = opened(window)
    text = page.locator("#live").inner_text()
    assert "catboost-full 1" in text
    assert "May 2015" in text
    window.is_accessible()
