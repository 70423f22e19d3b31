"""Whatever fails is said in words, with what can be done, and is got over."""

from dataclasses import replace

import pytest

from tests.system.conftest import free_port, wait_until_ready


def price(page):
    return page.locator("#price").inner_text()


# --- tokens ---------------------------------------------------------------------------


@pytest.fixture
def strict(open_window, strict_server):
    return open_window(strict_server)


def use(page, text):
    page.locator("#token").fill(text)
    page.get_by_role("button", name="Use token").click()


def test_a_token_is_asked_for_and_then_the_valuation_goes_on(strict, token):
    page = strict.open()
    assert page.locator("#token-panel").is_visible()
    page.get_by_role("button", name="Value this home").click()
    page.get_by_text("A token is needed").wait_for()
    assert page.evaluate("document.activeElement.id") == "token"
    assert page.locator("#report").is_hidden()
    strict.is_accessible()
    use(page, token)
    page.locator("#report").wait_for()
    assert price(page).startswith("$")
    moved = page.locator("#w-grade")
    with page.expect_response(lambda a: "/v1/predict" in a.url) as found:
        moved.press("ArrowUp")
    assert found.value.ok


def test_a_wrong_token_is_told_from_none(strict, token):
    page = strict.open()
    use(page, token[:-3])
    page.get_by_role("button", name="Value this home").click()
    page.get_by_text("A token is needed").wait_for()
    said = page.locator("#problem").inner_text()
    assert "signature is wrong" in said or "not well formed" in said
    assert token[:-3] not in page.content()


def test_the_token_is_in_memory_alone(strict, token):
    page = strict.open()
    use(page, token)
    strict.value()
    assert page.locator("#token").input_value() == ""
    assert token not in page.content()
    assert 'Authorization: Bearer $TOKEN"' in page.locator("#curl").inner_text()
    for answer in strict.answers:
        sent = answer.request.headers.get("authorization")
        # Files of the page are asked for without; every question to /v1 has it.
        is_data = "/v1/" in answer.url
        assert (sent == f"Bearer {token}") == is_data, answer.url
    page.reload()
    page.get_by_role("button", name="Value this home").click()
    page.get_by_text("A token is needed").wait_for()


def test_without_auth_no_token_is_asked_for(window):
    assert window.open().locator("#token-panel").is_hidden()


# --- limits ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def limited_server(start):
    process, running = start(WORKERS="1", RATE_LIMIT="3/second")
    wait_until_ready(process, running)
    yield running
    process.terminate()
    assert process.wait(timeout=60) == 0


def test_over_the_limit_the_page_waits_and_goes_on_by_itself(
    open_window, limited_server
):
    window = open_window(limited_server)
    page = window.open()
    page.get_by_role("button", name="Value this home").click()
    page.locator("#waiting").wait_for()
    said = page.locator("#waiting").inner_text()
    assert "goes on by itself in 1 s." in said or "goes on by itself now." in said
    window.is_accessible()
    page.locator("#report").wait_for()
    page.locator("#w-chart svg").wait_for()
    statuses = [a.status for a in window.answers if "/v1/" in a.url]
    assert 429 in statuses
    page.locator("#waiting").wait_for(state="hidden")
    assert page.locator("#ranges tbody tr").count() == 3


# --- a service that is away -----------------------------------------------------------


def test_a_service_that_is_away_is_said_and_tried_again(start, open_window):
    port = str(free_port())
    process, running = begun(start, port)
    window = open_window(running)
    page = window.open()
    process.terminate()
    assert process.wait(timeout=60) == 0
    page.get_by_role("button", name="Value this home").click()
    page.locator("#problem").wait_for()
    said = page.locator("#problem").inner_text()
    assert "The service cannot be reached" in said
    window.is_accessible()
    process, _ = begun(start, port)
    try:
        page.get_by_role("button", name="Try again").click()
        page.locator("#report").wait_for()
        assert page.locator("#problem").is_hidden()
        # The same for a value that is moved meanwhile.
        process.terminate()
        process.wait(timeout=60)
        page.locator("#w-grade").press("ArrowUp")
        page.locator("#what-if [role=alert]").get_by_text(
            "cannot be reached"
        ).wait_for()
        assert price(page).startswith("$"), "what was answered stays"
    finally:
        process.kill()
        process.wait(timeout=60)


def begun(start, port):
    """Start a server on a port that stays the same."""
    process, running = start(WORKERS="1", RATE_LIMIT="off", PORT=port)
    running = replace(running, port=int(port))
    wait_until_ready(process, running)
    return process, running
