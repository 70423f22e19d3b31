"""An answer becomes a line, and a line the rows it stands for."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_app.journal import records
from tests.journal.samples import (
    ARM,
    ROW,
    SHADOW_ROW,
    answer,
    line,
    request,
    shadow,
)


def test_a_line_is_one_line_and_gives_the_row_of_each_home():
    text = line("a", "b")
    assert text.count(b"\n") == 1
    assert text.endswith(b"\n")
    assert records.rows(text) == [ROW, ROW | {"id": "b"}]


def test_what_the_homes_share_is_written_once():
    assert line(*map(str, range(50))).count(b"catboost-full") == 1


@pytest.mark.parametrize("zipcode", ["00501", 501, 501.0])
def test_a_home_as_it_was_sent_gives_the_row_of_the_home_as_it_was_checked(zipcode):
    """An answer from a cache comes without the checked homes."""
    sent = {"bedrooms": 3, "yr_built": None, "zipcode": zipcode}
    (row,) = records.rows(records.line(request(), [sent], answer("a")))
    assert row == ROW | {"zipcode": "00501"}
    assert all(isinstance(row["inputs"][name], float) for name in ["bedrooms"])


def test_a_row_as_a_line_is_read_as_that_row():
    assert records.rows(records.line_of(ROW)) == [ROW]


def test_the_arm_of_an_experiment_is_in_each_row():
    of_it = dict(zip(("experiment", "arm", "client"), ARM, strict=True))
    text = line("a", "b", arm=ARM)
    assert records.rows(text) == [ROW | of_it, ROW | {"id": "b"} | of_it]
    assert records.rows(records.line_of(ROW | of_it)) == [ROW | of_it]


def test_a_line_without_an_arm_is_what_earlier_releases_wrote():
    assert set(json.loads(line("a"))) == {
        *("format", "request_id", "at", "subject", "endpoint", "model", "version"),
        *("variant", "interval", "duration_ms", "homes", "predictions"),
    }


def test_what_a_shadow_said_is_read_as_rows_of_its_own():
    text = shadow("a", "b")
    assert text.count(b"\n") == 1
    assert records.rows(text) == [SHADOW_ROW, SHADOW_ROW | {"prediction_id": "b"}]
    assert records.rows(records.line_of(SHADOW_ROW)) == [SHADOW_ROW]


@given(st.text(), st.none() | st.text())
def test_no_name_breaks_a_line(request_id, subject):
    about = request(request_id=request_id, subject=subject)
    text = records.line(about, [{"zipcode": "98103"}], answer("a"))
    assert text.count(b"\n") == 1
    (row,) = records.rows(text)
    assert (row["request_id"], row["subject"]) == (request_id, subject)


WHOLE = json.loads(line("a"))


def changed(**members):
    return json.dumps(WHOLE | members).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\x00\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b"[" * 100_000,
        line("a")[:-30],
        changed(format=2),
        changed(homes=[]),
        changed(predictions=[[1]]),
        changed(version="new"),
        changed(at=1e300),
        changed(at="noon"),
        changed(homes=[{}]),
        changed(arm=["one"]),
        changed(arm=7),
        shadow("a")[:-20],
        shadow("a").replace(b"510000.5", b'"dear"'),
        shadow("a").replace(b"510000.5,", b""),
        shadow("a").replace(b'"at"', b'"when"'),
        *(
            json.dumps({k: v for k, v in WHOLE.items() if k != n}).encode()
            for n in WHOLE
        ),
    ],
)
def test_what_is_no_record_is_said_to_be_none(text):
    with pytest.raises(records.Unreadable):
        records.rows(text)
