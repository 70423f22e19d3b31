"""Sales files: what is read, what is refused and why, and honest splits."""

from datetime import date

import numpy as np
import pytest
from sklearn.model_selection import train_test_split
from training import synthetic

from housing_app.training import dataset
from housing_app.training.dataset import SalesError
from housing_app.valuation.features import NAMES, POSITION


@pytest.fixture
def rows():
    return synthetic.sales(30, seed=1)


@pytest.fixture
def refusal(tmp_path):
    """Return the one line with which content is refused; it names the file."""

    def text_of(content):
        path = tmp_path / "sales.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(SalesError) as caught:
            dataset.read(path)
        text = str(caught.value)
        assert text.startswith(str(path))
        assert len(text.splitlines()) == 1
        return text

    return text_of


def test_every_good_row_is_read_in_the_order_of_the_file(read, rows):
    sales = read(rows)
    assert len(sales) == 30
    assert sales.rejected == []
    assert sales.prices.tolist() == [row["price"] for row in rows]
    assert sales.ids.tolist() == [row["id"] for row in rows]
    assert sales.homes.zipcodes == [row["zipcode"] for row in rows]
    assert sales.homes.values.tolist() == [[row[n] for n in NAMES] for row in rows]


@pytest.mark.parametrize(
    "text", ["20150214T000000", "20150214", "2015-02-14", "2015-02-14T09:30:00"]
)
def test_dates_are_read_in_both_formats(read, rows, text):
    rows[0]["date"] = text
    assert read(rows).homes.days[0] == date(2015, 2, 14).toordinal()


def test_the_window_is_from_the_first_sale_to_the_last(sales):
    assert sales.window == (synthetic.FIRST, synthetic.LAST)


def test_the_hash_is_that_of_the_file(read, rows):
    first, again = read(rows), read(rows)
    rows[0]["price"] += 1
    assert first.sha256 == again.sha256 != read(rows).sha256


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("id", "", "id"),
        ("date", "", "date"),
        ("date", "14 Feb 2015", "date"),
        ("date", "20150230T000000", "date"),
        ("price", "", "price"),
        ("price", "0", "price"),
        ("price", "-450000", "price"),
        ("price", "1e15", "price"),
        ("price", "inf", "price"),
        ("price", "much", "price"),
        ("zipcode", "", "zipcode"),
        ("zipcode", "9810", "zipcode"),
        ("zipcode", "98103-1234", "zipcode"),
        ("bedrooms", "-1", "bedrooms"),
        ("bedrooms", "three", "bedrooms"),
        ("bedrooms", "2.5", "bedrooms"),
        ("bathrooms", "2.1", "bathrooms"),
        ("waterfront", "0.5", "waterfront"),
        ("sqft_living", "99", "sqft_living"),
        ("sqft_living", "inf", "sqft_living"),
        ("waterfront", "2", "waterfront"),
        ("grade", "14", "grade"),
        ("yr_renovated", "15", "yr_renovated"),
        ("lat", "147.6", "lat"),
    ],
)
def test_a_bad_row_is_rejected_with_its_number_and_reason_and_the_rest_kept(
    read, rows, column, value, reason
):
    rows[4][column] = value
    sales = read(rows)
    assert len(sales) == 29
    # The header is row 1 of the file.
    assert len(sales.rejected) == 1
    assert sales.rejected[0].startswith("row 6: ")
    assert reason in sales.rejected[0]
    assert sales.prices.tolist() == [row["price"] for row in rows if row is not rows[4]]


def test_rows_are_counted_as_an_editor_counts_lines(tmp_path, rows):
    rows[4]["price"] = ""
    path = synthetic.write(tmp_path / "sales.csv", rows)
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([header, lines[0], "", *lines[1:]]))
    assert any(x.startswith("row 7: price") for x in dataset.read(path).rejected)


def test_every_reason_of_a_row_is_given(read, rows):
    rows[0] |= {"price": "", "grade": 14, "lat": 0}
    (line,) = read(rows).rejected
    assert all(name in line for name in ("price", "grade", "lat"))


def test_an_empty_field_is_unknown_and_no_reason_to_reject(read, rows):
    rows[3]["sqft_basement"] = ""
    sales = read(rows)
    assert sales.rejected == []
    assert np.isnan(sales.homes.values[3, POSITION["sqft_basement"]])


@pytest.mark.parametrize("column", ["id", "date", "price", "zipcode", "grade", "long"])
def test_a_missing_column_is_named(refusal, tmp_path, rows, column):
    kept = [{k: v for k, v in row.items() if k != column} for row in rows]
    content = synthetic.write(tmp_path / "made.csv", kept).read_bytes()
    assert f"'{column}'" in refusal(content)


def test_further_columns_are_ignored(read, rows):
    sales = read([row | {"agent": "someone", "fee": 1} for row in rows])
    assert len(sales) == 30


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", b"\xff\xfe\x00", b'id,"date\n', b"id,date\n1,2\n1,2,3,4\n"],
    ids=["empty", "blank", "not Unicode", "open quote", "ragged"],
)
def test_a_file_that_is_no_csv_is_refused(refusal, content):
    refusal(content)


def test_a_file_without_sales_is_refused(refusal):
    assert "no sales" in refusal(",".join(synthetic.COLUMNS) + "\n")


def test_a_file_of_bad_rows_alone_is_refused_with_the_first_reason(refusal, tmp_path):
    bad = [row | {"price": "much"} for row in synthetic.sales(3)]
    content = synthetic.write(tmp_path / "made.csv", bad).read_bytes()
    assert "price" in refusal(content)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SalesError, match=r"none\.csv"):
        dataset.read(tmp_path / "none.csv")


def test_a_mask_selects_whole_sales(sales):
    mask = sales.prices > np.median(sales.prices)
    chosen = sales.where(mask)
    assert len(chosen) == mask.sum()
    assert chosen.prices.min() > np.median(sales.prices)
    where = np.flatnonzero(mask)
    assert chosen.homes.zipcodes == [sales.homes.zipcodes[i] for i in where]
    np.testing.assert_array_equal(chosen.homes.values, sales.homes.values[where])
    np.testing.assert_array_equal(chosen.homes.days, sales.homes.days[where])


def test_sales_on_the_day_of_the_cut_are_not_before_it(read, rows):
    for row, day in zip(rows, ["20150131", "20150201", "20150202"], strict=False):
        row["date"] = day
    before = dataset.before(read(rows), date(2015, 2, 1))
    assert before[:3].tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("last", "cut"),
    [
        ("20150331", date(2015, 2, 1)),
        ("20150301", date(2015, 2, 1)),
        ("20150228", date(2015, 1, 1)),
        ("20150115", date(2014, 12, 1)),
        ("20141231", date(2014, 11, 1)),
    ],
)
def test_the_default_cut_leaves_the_last_two_calendar_months(read, last, cut):
    rows = [row for row in synthetic.sales(300) if row["date"] < last]
    rows[-1]["date"] = last
    assert dataset.default_cut(read(rows)) == cut


def test_a_random_holdout_never_splits_a_home_that_sold_twice(sales):
    held = dataset.random_holdout(sales)
    twice = [
        home
        for home, n in zip(*np.unique(sales.ids, return_counts=True), strict=True)
        if n > 1
    ]
    assert len(twice) >= 30
    assert not set(sales.ids[held]) & set(sales.ids[~held])


def test_a_random_holdout_is_a_quarter_and_the_same_again(sales):
    held = dataset.random_holdout(sales)
    assert held.mean() == pytest.approx(0.25, abs=0.01)
    assert (held == dataset.random_holdout(sales)).all()
    assert (held != dataset.random_holdout(sales, seed=1)).any()


@pytest.mark.parametrize("rows", [10, 999, 18_736])
def test_the_reference_split_is_scikit_learns(rows):
    train, test = train_test_split(np.arange(rows), random_state=42)
    mask = dataset.reference_split(rows)
    assert np.flatnonzero(mask).tolist() == sorted(train.tolist())
    assert np.flatnonzero(~mask).tolist() == sorted(test.tolist())


@pytest.mark.parametrize(
    "cut", [date(2014, 5, 2), date(2014, 8, 1), date(2015, 3, 30), date(2020, 1, 1)]
)
def test_a_cut_that_leaves_too_few_sales_is_refused_in_one_line(sales, cut):
    with pytest.raises(SalesError) as caught:
        dataset.check_cut(sales, cut, 60)
    text = str(caught.value)
    assert cut.isoformat() in text
    assert len(text.splitlines()) == 1


def test_a_cut_that_leaves_enough_on_both_sides_passes(sales):
    dataset.check_cut(sales, date(2015, 2, 1), 60)
