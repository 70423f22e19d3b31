"""A CSV is read in the browser: good rows are valued, bad ones say why."""

import csv
import io

import pytest

from housing_app.config import ROOT
from housing_app.valuation.features import FEATURES

EXAMPLES = (ROOT / "data" / "example_homes.csv").read_text()
CORE = [f.name for f in FEATURES if f.core] + ["zipcode"]


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def written(found, names=None):
    out = io.StringIO()
    writer = csv.DictWriter(out, names or list(found[0]), extrasaction="ignore")
    writer.writeheader()
    writer.writerows(found)
    return out.getvalue()


def dropped(page, text, name="homes.csv"):
    """Drop a file on the page as a hand would."""
    data = page.evaluate_handle(
        """([text, name]) => {
            const data = new DataTransfer();
            data.items.add(new File([text], name, { type: "text/csv" }));
            return data;
        }""",
        [text, name],
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": data})


def saved(page):
    """Return the rows of the file that is offered."""
    with page.expect_download() as found:
        page.locator("#save").click()
    assert found.value.suggested_filename == "homes-valued.csv"
    return rows(found.value.path().read_text())


def test_the_example_homes_are_valued_as_the_api_values_them(
    window, server, example_homes
):
    page = window.open()
    dropped(page, EXAMPLES)
    page.locator("#save").wait_for()
    assert page.locator("#list-said").inner_text() == "20 homes valued."
    told = server.post({"records": example_homes}).json()["predictions"]
    found = saved(page)
    for row, given, one in zip(found, rows(EXAMPLES), told, strict=True):
        assert {name: row[name] for name in given} == given
        for name in ("price", "low", "high", "fsd"):
            assert float(row[f"predicted_{name}"]) == one[name]
        assert row["predicted_confidence"] == one["confidence"]
        assert row["predicted_interval"] == "0.9"
        assert row["predicted_error"] == ""
    shown = page.locator("#list-result tbody tr").first.inner_text()
    assert f"${told[0]['price']:,.0f}" in shown
    window.is_accessible()


def test_bad_rows_say_why_and_the_others_are_valued(window):
    page = window.open()
    homes = rows(EXAMPLES)[:6]
    homes[1] |= {"grade": "14", "bathrooms": "2.3"}
    homes[2] |= {"zipcode": "Seattle"}
    homes[3] |= {"sqft_living": "two thousand"}
    homes[4] |= {"condition": "", "yr_built": " "}
    names = [*homes[0], "note"]
    for one in homes:
        one["note"] = 'a "good" one,\nby the lake'
    dropped(page, written(homes, names))
    page.locator("#save").wait_for()
    said = page.locator("#list-said").inner_text()
    assert said == "3 homes valued, 3 rows with errors."
    found = saved(page)
    errors = [row["predicted_error"] for row in found]
    assert errors == [
        "",
        "bathrooms must be a multiple of 0.25; grade must be between 1 and 13",
        "zipcode must be five digits",
        "sqft_living must be a number",
        "",
        "",
    ]
    assert [bool(row["predicted_price"]) for row in found] == [not e for e in errors]
    assert found[4]["predicted_missing"] == "condition yr_built"
    assert {row["note"] for row in found} == {'a "good" one,\nby the lake'}
    marked = page.locator("#list-result tr.refused")
    assert marked.count() == 3
    assert "grade must be between 1 and 13" in marked.first.inner_text()
    (sent,) = window.sent()
    assert len(sent["records"]) == 3
    assert all("note" not in one for one in sent["records"])
    window.is_accessible()


def test_core_fields_are_enough_and_the_order_of_columns_is_free(window):
    page = window.open()
    dropped(page, written(rows(EXAMPLES), CORE[::-1]))
    page.locator("#save").wait_for()
    said = page.locator("#list-said").inner_text()
    assert said == "20 homes valued. The file has the core fields only."
    assert window.answers[-1].url.endswith("/v1/predict/minimal?interval=0.9")


def test_rows_that_the_api_refuses_are_marked_and_the_rest_is_valued(
    open_window, strict_server, token
):
    window = open_window(strict_server)
    page = window.open()
    page.locator("#token").fill(token)
    page.get_by_role("button", name="Use token").click()
    homes = rows(EXAMPLES)[:4]
    homes[2]["zipcode"] = "10001"
    dropped(page, written(homes))
    page.locator("#save").wait_for()
    errors = [row["predicted_error"] for row in saved(page)]
    assert errors == ["", "", "zipcode no home of this zipcode was learned from", ""]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "The file holds no homes."),
        ("zipcode,grade\n", "The file holds no homes."),
        ("zipcode,grade\n98103,7\n", "The first line lacks the columns sqft_living, "),
        ("zipcode,zipcode\n98103,98103\n", "The column zipcode comes twice."),
        ('zipcode\n"98103\n', "A quote is opened and never closed."),
        (EXAMPLES + "98103\n" * 1000, "may be sent at once"),
        (EXAMPLES + "x" * 2_000_000, "The file is too large."),
    ],
    ids=["nothing", "no rows", "no columns", "twice", "a quote", "too many", "too large"],
)  # fmt: skip
def test_a_file_that_is_no_list_of_homes_is_refused_with_the_reason(window, text, said):
    page = window.open()
    dropped(page, text)
    page.locator("#list-problem").wait_for()
    assert said in page.locator("#list-problem").inner_text()
    assert not window.sent()


def test_a_file_can_be_chosen_and_a_better_one_after_it(window):
    page = window.open()
    box = page.get_by_label("Choose a CSV file")

    def chosen(text):
        sent = {"name": "homes.csv", "mimeType": "text/csv", "buffer": text.encode()}
        box.set_input_files(sent)

    chosen("zipcode\n98103\n")
    page.locator("#list-problem").wait_for()
    chosen("\ufeff" + EXAMPLES.replace("\n", "\r\n"))
    page.locator("#save").wait_for()
    assert page.locator("#list-problem").is_hidden()
    assert len(saved(page)) == 20
