"""The page serves who has a phone, a keyboard, a screen reader, a dark room, no script."""

import re

import pytest

from housing_app.valuation.features import FEATURES

PHONE = {"width": 375, "height": 740}


def focused(page):
    return page.evaluate("document.activeElement.id")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault_in_any_state(open_window, scheme):
    window = open_window(color_scheme=scheme)
    page = window.open()
    window.is_accessible()
    window.value()
    page.locator("#w-chart svg").wait_for()
    page.locator("#w-chart summary").click()
    window.is_accessible()
    page.get_by_text("Core fields").click()
    page.locator("#f-bedrooms").fill("-1")
    window.is_accessible()
    window.open("/accuracy")
    page.locator("#figures").wait_for()
    for more in page.locator("summary").all():
        more.click()
    window.is_accessible()


def test_axe_finds_no_fault_in_the_other_pages(open_window):
    for scheme, path in (
        ("light", "/docs"), ("dark", "/problems"), ("dark", "/problems/not-ready")
    ):  # fmt: skip
        window = open_window(color_scheme=scheme)
        window.open(path)
        window.is_accessible()


def test_colours_follow_the_system(open_window):
    def brightness(scheme):
        page = open_window(color_scheme=scheme).open()
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    assert brightness("dark") < 150 < 600 < brightness("light")


def test_a_phone_never_scrolls_sideways(open_window):
    window = open_window(viewport=PHONE, has_touch=True, is_mobile=True)
    page = window.open()
    window.has_no_side_scroll()
    page.locator("#example").select_option("12")  # on the water, with the longest words
    window.value()
    page.locator("#w-chart svg").wait_for()
    # The price is what is seen first, once the page has moved there.
    page.wait_for_function(
        """() => {
            const { top } = document.getElementById("price").getBoundingClientRect();
            return 0 < top && top < innerHeight / 2;
        }"""
    )
    page.locator("#w-chart summary").click()
    window.has_no_side_scroll()
    window.is_accessible()
    window.open("/accuracy")
    page.locator("#figures").wait_for()
    for more in page.locator("summary").all():
        more.click()
    window.has_no_side_scroll()
    window.open("/docs")
    window.has_no_side_scroll()


def test_all_of_it_works_by_keyboard(window):
    page = window.open()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(focused(page))
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        is_switch = page.evaluate("document.activeElement.type") == "radio"
        assert is_switch or page.evaluate(outline) != "none", seen[-1]
        if seen[-1] == "f-sqft_lot15":
            break
    fields = {f"f-{feature.name}" for feature in FEATURES} | {"f-zipcode"}
    assert fields <= set(seen)
    page.keyboard.type("9000")
    page.keyboard.press("Enter")
    page.locator("#report").wait_for()
    page.locator("#w-grade").focus()
    with page.expect_response(lambda a: "/v1/predict" in a.url):
        page.keyboard.press("ArrowRight")
    assert page.locator("#w-grade").input_value() == "8"
    # On from there, past all tables and maps, to the end of the page.
    after = []
    for _ in range(40):
        page.keyboard.press("Tab")
        after.append(focused(page))
        if after[-1] == "file":
            break
    assert {"w-condition", "w-by", "copy", "file"} <= set(after)


def test_the_mode_is_changed_by_arrows(window):
    page = window.open()
    page.get_by_role("radio", name="All fields").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#f-grade").is_hidden()
    page.keyboard.press("ArrowLeft")
    assert page.locator("#f-grade").is_visible()


def test_results_and_faults_are_said_to_screen_readers(window):
    page = window.open()
    live = (
        "#said",
        "#problem",
        "#form-errors",
        "#list-said",
        "#copied",
        "#token-state",
    )
    for place in live:
        assert page.locator(place).get_attribute("role") in ("status", "alert")
    window.value()
    assert page.locator("#w-price").get_attribute("aria-live") == "polite"
    for name in ("Map of the 6 groups", "Price by", "Where in the area"):
        assert page.get_by_role("img", name=name).count() == 1


def test_nothing_moves_for_those_who_do_not_want_it(open_window):
    moves = "[...document.querySelectorAll('*')].some((one) => parseFloat(" \
        "getComputedStyle(one).transitionDuration) > 0)"  # fmt: skip
    for wish, moving in (("reduce", False), ("no-preference", True)):
        window = open_window(reduced_motion=wish)
        window.open()
        assert window.value().evaluate(moves) == moving


@pytest.mark.parametrize("path", ["/", "/accuracy"])
def test_without_script_the_page_says_so(open_window, path):
    page = open_window(java_script_enabled=False).open(path)
    assert "script, which is turned off here" in page.locator("noscript").inner_text()
