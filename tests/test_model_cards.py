"""The model cards in docs/ are those of the manifests in model/."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # whatever pytest's import mode

import doc_cards

EXPECTED = doc_cards.expected()


def test_there_is_a_card_for_each_artifact_and_no_other():
    found = {path.name for path in doc_cards.FOLDER.iterdir()}
    assert found == set(EXPECTED), "run `python tests/write_docs.py`"


@pytest.mark.parametrize("name", EXPECTED)
def test_a_card_says_what_its_manifest_says(name):
    text = (doc_cards.FOLDER / name).read_text("utf-8")
    assert text == EXPECTED[name], "run `python tests/write_docs.py`"
