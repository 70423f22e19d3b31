import pytest

from housing_app.valuation import serving

MINIMAL = {"champion": "b-1"}


def test_the_names_of_serving_json_are_returned(copy):
    said = {"full": {"champion": "a-1", "fallback": "b-2"}, "minimal": MINIMAL}
    copy.serving(said)
    assert serving.read(copy.root).roles == said


@pytest.mark.parametrize("text", ["", "[]", "{", "champion"])
def test_a_serving_json_that_is_no_json_object_is_refused(copy, refusal, text):
    copy.serving(text)
    assert str(copy.root / "serving.json") in refusal(serving.read, copy.root)


@pytest.mark.parametrize(
    ("full", "named"),
    [
        ({}, "full"),
        (None, "full"),
        ("a-1", "full"),
        ({"fallback": "a-1"}, "full"),
        ({"champion": None}, "full.champion"),
        ({"champion": ["a-1"]}, "full.champion"),
        ({"champion": "../a-1"}, "full.champion"),
        ({"champion": "/etc"}, "full.champion"),
        ({"champion": ".."}, "full.champion"),
        ({"champion": ""}, "full.champion"),
        ({"champion": "a-1\n"}, "full.champion"),
        ({"champion": "a-1", "fallback": 1}, "full.fallback"),
        ({"champion": "a-1", "falback": "b-1"}, "falback"),
    ],
)
def test_a_slot_whose_roles_name_no_artifacts_is_refused(copy, refusal, full, named):
    copy.serving({"full": full, "minimal": MINIMAL})
    text = refusal(serving.read, copy.root)
    assert str(copy.root / "serving.json") in text
    assert named in text


def test_a_slot_that_no_request_asks_for_is_refused(copy, refusal):
    copy.serving(dict.fromkeys(("full", "minimal", "luxury"), MINIMAL))
    assert "luxury" in refusal(serving.read, copy.root)


def test_a_missing_serving_json_is_refused(tmp_path, refusal):
    assert "serving.json: missing" in refusal(serving.read, tmp_path)


def test_a_challenger_comes_with_a_share_of_the_clients(copy):
    full = {"champion": "a-1", "challenger": "c-1", "share": 0.1, "shadow": "d-1"}
    copy.serving({"full": full, "minimal": MINIMAL, "changed": "2026-11-28"})
    found = serving.read(copy.root)
    assert found.shares == {"full": 0.1}
    assert found.roles["full"] == {r: full[r] for r in full if r != "share"}
    assert found.roles.keys() == {"full", "minimal"}


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, "0.1", True, [0.1]])
def test_a_share_that_is_none_is_refused(copy, refusal, share):
    full = {"champion": "a-1", "challenger": "c-1", "share": share}
    copy.serving({"full": full, "minimal": MINIMAL})
    assert "full.share" in refusal(serving.read, copy.root)


@pytest.mark.parametrize("more", [{"challenger": "c-1"}, {"share": 0.1}])
def test_neither_challenger_nor_share_goes_alone(copy, refusal, more):
    copy.serving({"full": {"champion": "a-1"} | more, "minimal": MINIMAL})
    assert "go together" in refusal(serving.read, copy.root)
