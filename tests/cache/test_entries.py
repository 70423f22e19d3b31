"""What is read from a store is what was written there, or nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_app.cache import entries
from housing_app.cache.entries import BadEntry, decode, encode

KEY, OTHER = b"a" * 64, b"b" * 64
ANSWER = {
    "predictions": [{"price": 0.1 + 0.2, "missing": ["Grundstück"], "valued": None}],
    "model": {"name": "m", "version": 1, "variant": "champion"},
}
ENTRY = encode(KEY, ANSWER, 1000.5)


def test_an_answer_comes_back_to_the_last_digit_with_its_end():
    assert decode(KEY, ENTRY) == (ANSWER, 1001)


def test_an_entry_is_json_behind_a_head_and_a_checksum():
    assert ENTRY.startswith(b"housing%d " % entries.FORMAT)
    assert json.loads(ENTRY.split(b" ", 3)[3]) == ANSWER


@pytest.mark.parametrize("length", range(0, len(ENTRY), 7))
def test_a_cut_entry_is_refused(length):
    with pytest.raises(BadEntry):
        decode(KEY, ENTRY[:length])


@pytest.mark.parametrize("place", range(0, len(ENTRY), 5))
def test_an_entry_with_a_flipped_bit_is_refused(place):
    bad = bytearray(ENTRY)
    bad[place] ^= 1
    with pytest.raises(BadEntry):
        decode(KEY, bytes(bad))


def test_the_entry_of_another_request_is_refused():
    with pytest.raises(BadEntry):
        decode(OTHER, ENTRY)


def test_an_entry_of_another_format_is_refused():
    with pytest.raises(BadEntry):
        decode(KEY, ENTRY.replace(b"housing1", b"housing2", 1))


@pytest.mark.parametrize(
    "content",
    [
        None,
        5,
        [],
        {},
        {"predictions": []},
        {"predictions": 5, "model": ANSWER["model"]},
        {"predictions": [5], "model": ANSWER["model"]},
        {"predictions": [{}], "model": {"name": "m"}},
        {"predictions": [{}], "model": None},
    ],
    ids=str,
)
def test_what_is_no_answer_is_refused_even_with_a_good_checksum(content):
    with pytest.raises(BadEntry):
        decode(KEY, encode(KEY, content, 1000))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(content):
    for bad in (content, b"housing1 " + content):
        with pytest.raises(BadEntry):
            decode(KEY, bad)
