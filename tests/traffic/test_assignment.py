import hashlib

import pytest
from scipy import stats
from served import BASELINE, FULL

from housing_app.traffic import choose
from housing_app.traffic.assignment import position
from housing_app.valuation import predictor
from housing_app.valuation.errors import NotReady

CLIENTS = [f"s:client-{n}" for n in range(20_000)]


@pytest.fixture
def experiment(slots):
    """Put the fallback into the full slot as its challenger, with a share."""

    def begin(share):
        roles = slots["full"]
        more = {"challenger": roles["fallback"]}
        predictor.install("full", roles | more, share)

    return begin


def arms():
    return {client: choose("full", client).variant for client in CLIENTS}


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_share_is_kept(experiment, share):
    experiment(share)
    count = sum(arm == "challenger" for arm in arms().values())
    # Chance alone is further off once in a million times.
    assert stats.binomtest(count, len(CLIENTS), share).pvalue > 1e-6


def test_a_client_keeps_its_model_as_the_share_grows(experiment):
    experiment(0.1)
    first = arms()
    assert arms() == first
    experiment(0.3)
    grown = arms()
    assert len(first) == len(CLIENTS)
    assert all(grown[c] == "challenger" for c in first if first[c] == "challenger")


def test_a_place_is_a_matter_of_sha_256(experiment):
    # Python's own hash differs between processes; this one is written down.
    digest = hashlib.sha256(b"full:m-1:c:ann").hexdigest()
    assert position("full", "m-1", "c:ann") == int(digest[:16], 16) / 2**64


def test_another_experiment_draws_anew():
    count = sum(
        position("full", "a-1", c) < 0.5 and position("full", "b-1", c) < 0.5
        for c in CLIENTS
    )
    assert stats.binomtest(count, len(CLIENTS), 0.25).pvalue > 1e-6


def test_those_in_an_experiment_know_which(experiment):
    experiment(0.5)
    found = [choose("full", client) for client in CLIENTS[:100]]
    assert {choice.experiment for choice in found} == {f"{FULL}/{BASELINE}"}
    assert {choice.variant for choice in found} == {"champion", "challenger"}


def test_who_says_nothing_gets_the_champion_and_is_no_part_of_it(experiment):
    experiment(0.99)
    choice = choose("full", None)
    assert (choice.variant, choice.experiment) == ("champion", None)


def test_without_a_challenger_there_is_no_experiment(slots):
    choice = choose("full", "s:ann")
    assert choice == (slots["full"]["champion"], "champion", None)


def test_without_a_model_nobody_answers(slots):
    predictor.install("full", {})
    with pytest.raises(NotReady):
        choose("full", "s:ann")


# --- over HTTP ------------------------------------------------------------------------


def test_a_client_that_says_who_it_is_takes_part(experiment, client, home):
    experiment(0.5)
    sent = {}
    for n in range(40):
        name = f"client-{n}"
        answers = {
            client.post("/v1/predict", json=home, headers={"X-Client-Id": name}).json[
                "model"
            ]["variant"]
            for _ in range(2)
        }
        (sent[name],) = answers  # the same each time
    expected = {
        name: "challenger"
        if position("full", BASELINE, f"c:{name}") < 0.5
        else "champion"
        for name in sent
    }
    assert sent == expected
    assert set(sent.values()) == {"champion", "challenger"}


@pytest.mark.parametrize("name", ["", "a b", "x" * 129, "ü", "a\tb"])
def test_an_id_that_is_none_is_ignored(experiment, client, home, name):
    experiment(0.99)
    headers = {"X-Client-Id": name}
    answer = client.post("/v1/predict", json=home, headers=headers)
    assert answer.json["model"]["variant"] == "champion"


def test_a_challenger_that_raises_is_stood_in_for_by_the_champion(
    experiment, client, home, slots, monkeypatch
):
    experiment(0.99)
    headers = {"X-Client-Id": "ann"}
    ask = lambda: client.post("/v1/predict", json=home, headers=headers).json["model"]  # noqa: E731
    assert ask()["variant"] == "challenger"
    broken = slots["full"]["fallback"]
    monkeypatch.setattr(type(broken), "value", failing(broken, type(broken).value))
    assert ask()["variant"] == "champion"


def failing(broken, value):
    def fail(self, *arguments, **options):
        if self is broken:
            raise ArithmeticError("on purpose")
        return value(self, *arguments, **options)

    return fail
