"""Moved values are priced by the API, and no more often than they need to be."""

from contextlib import suppress

import pytest
from playwright.sync_api import Error

CHART_HOMES = 11


@pytest.fixture
def valued(window):
    window.open()
    window.value()
    window.page.locator("#w-chart svg").wait_for()
    return window


def price(page):
    return page.locator("#w-price .worth").inner_text()


def is_of_one(answer):
    return "/v1/predict" in answer.url and "records" not in answer.request.post_data


def moved(window, slider, key, times=1):
    """Press a key on a slider and wait for the price that follows."""
    page = window.page
    with page.expect_response(is_of_one) as found:
        for _ in range(times):
            page.locator(f"#w-{slider}").press(key)
    page.locator("#w-price:not([aria-busy])").wait_for()
    return found.value.json()["predictions"][0]


def test_moved_values_are_priced_by_the_api(valued, home):
    page = valued.page
    changed = set()
    for slider, key in (
        ("sqft_living", "ArrowUp"), ("grade", "ArrowUp"), ("condition", "ArrowDown"),
        ("yr_built", "ArrowUp"), ("lat", "ArrowDown"), ("long", "ArrowUp"),
    ):  # fmt: skip
        found = moved(valued, slider, key)
        assert price(page) == f"${found['price']:,.0f}"
        low, high = (f"${found[end]:,.0f}" for end in ("low", "high"))
        assert f"{low} to {high}, at 90 %" in page.locator("#w-price").inner_text()
        # 1,450 sqft above and a basement of 400 make 1,850: the sum stays right.
        changed |= {slider, "sqft_above"}
        sent = [one for one in valued.sent() if "records" not in one][-1]
        assert {name for name in home if sent[name] != home[name]} == changed
        assert found["warnings"] == []


def test_many_moves_make_one_request(valued):
    before = len(valued.sent())
    moved(valued, "sqft_living", "ArrowUp", times=12)
    valued.page.wait_for_timeout(700)
    assert len(valued.sent()) - before == 1, "the chart by living space still holds"


def test_an_older_request_never_overtakes_a_newer_one(valued):
    page = valued.page
    # The first request is held back until the second was answered: what a slow network
    # does, at will.
    held = []

    def hold(route):
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route("**/v1/predict?*", hold)
    page.locator("#w-grade").press("ArrowUp")
    page.wait_for_timeout(300)
    assert held
    last = moved(valued, "grade", "ArrowUp", times=2)
    with suppress(Error):  # which says that nobody waits for it any more
        held[0].continue_()
    page.wait_for_timeout(1000)
    assert price(page) == f"${last['price']:,.0f}"
    assert page.locator("#what-if [role=alert]").is_hidden()


def test_the_chart_is_made_of_answers(valued):
    page = valued.page
    page.locator("#w-chart summary").click()
    for by in ("sqft_living", "grade", "condition", "yr_built", "lat"):
        page.locator("#w-by").select_option(by)
        page.locator(
            f"#w-chart svg[aria-label^='Price by {label(page, by)}']"
        ).wait_for()
        answer = next(
            a for a in valued.predictions()[::-1] if len(a["predictions"]) > 1
        )
        dots = page.locator("#w-chart circle").count() - 1  # and one for the home
        assert dots == len(answer["predictions"]) <= CHART_HOMES + 2
        rows = page.locator("#w-chart tbody tr").all()
        for row, found in zip(rows, answer["predictions"], strict=True):
            assert f"${found['price']:,.0f}" in row.inner_text()
        values = [row.locator("th").inner_text() for row in rows]
        assert len(set(values)) == len(values)


def label(page, name):
    return page.locator(f"#f-{name}").get_attribute("data-label")


def test_another_moved_value_makes_another_chart(valued):
    page = valued.page
    moved(valued, "grade", "ArrowUp")
    with page.expect_response(lambda a: "/v1/predict" in a.url) as found:
        pass
    records = found.value.request.post_data_json["records"]
    assert {one["grade"] for one in records} == {8}
    assert len({one["sqft_living"] for one in records}) == CHART_HOMES
    for one in records:
        assert one["sqft_above"] + one["sqft_basement"] == one["sqft_living"]


def test_a_click_on_the_map_moves_the_home(valued):
    page = valued.page
    before = page.locator("#w-lat").input_value(), page.locator("#w-long").input_value()
    with page.expect_response(lambda a: "/v1/predict" in a.url) as found:
        page.locator("#w-map svg").click(position={"x": 150, "y": 150})
    sent = found.value.request.post_data_json
    after = page.locator("#w-lat").input_value(), page.locator("#w-long").input_value()
    assert after != before
    assert (sent["lat"], sent["long"]) == tuple(map(float, after))
    # East and south of where it was, and on the map under the pointer.
    assert float(after[0]) < float(before[0])
    assert float(after[1]) > float(before[1])
    frame = page.locator("#w-map svg").bounding_box()
    dot = page.locator("#w-map .home circle").bounding_box()
    assert dot["x"] + dot["width"] / 2 - frame["x"] == pytest.approx(150, abs=2)
    assert dot["y"] + dot["height"] / 2 - frame["y"] == pytest.approx(150, abs=2)


def test_back_to_the_home_gives_the_price_there_was(valued):
    page = valued.page
    first = price(page)
    moved(valued, "grade", "ArrowUp", times=2)
    assert price(page) != first
    page.get_by_role("button", name="Back to the home").click()
    assert price(page) == first
    assert page.locator("#w-grade").input_value() == "7"


def test_with_core_fields_other_values_can_be_moved(window):
    page = window.open()
    page.get_by_text("Core fields").click()
    window.value()
    names = [
        one.get_attribute("id") for one in page.locator("#what-if [type=range]").all()
    ]
    assert names == ["w-sqft_living", "w-bathrooms", "w-bedrooms", "w-sqft_lot"]
    found = moved(window, "bathrooms", "ArrowUp")
    assert price(page) == f"${found['price']:,.0f}"
