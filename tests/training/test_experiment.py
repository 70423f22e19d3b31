"""What is said of an experiment, and when nothing is."""

import re

import numpy as np
import pytest
from scipy import stats
from training import outcomes_to_come as simulated

from housing_app.config import ROOT
from housing_app.training import disagreement, experiment, experiment_text
from housing_app.training.experiment import Arm, Clients, Pairs

NOTHING = Pairs(*[np.zeros(0)] * 3, np.zeros(0, int))
EVEN = Clients(300, 300)


def valued(n, noise, seed=1):
    """Return prices, and valuations with errors of that size."""
    rng = np.random.default_rng(seed)
    sold = np.exp(rng.normal(13, 0.5, n))
    return sold, sold * np.exp(noise * rng.standard_t(4, n))


def arm(n, noise, seed, clients=None):
    clients = np.arange(n) if clients is None else clients
    return Arm(2 * n, 0, *valued(n, noise, seed), clients)


def examined(champion, challenger, clients=EVEN, pairs=NOTHING, share=0.5, **more):
    arms = {"champion": champion, "challenger": challenger}
    return experiment.examine(arms, clients, pairs, share=share, **more)


@pytest.fixture(scope="module")
def better():
    return examined(arm(3_000, 0.15, 1), arm(3_000, 0.10, 2))


# --- verdicts -------------------------------------------------------------------------


def test_a_better_challenger_is_said_to_be_better(better):
    assert better["verdict"]["is"] == "challenger"
    assert "The challenger is better: its mean error is" in better["verdict"]["text"]
    assert better["fixed"]["high"] < 0
    assert better["fixed"]["mann_whitney"] < 1e-6
    sequence = better["sequence"]
    assert sequence["low"] < sequence["difference"] < sequence["high"] < 0


def test_the_other_way_round_the_champion_is():
    found = examined(arm(3_000, 0.10, 2), arm(3_000, 0.15, 1))
    assert found["verdict"]["is"] == "champion"
    assert found["sequence"]["low"] > 0


def test_the_boundary_is_wider_than_the_interval_of_one_look(better):
    sequence = better["sequence"]
    both = [experiment._mean(*arm(3_000, *x)[2:]) for x in ((0.15, 1), (0.10, 2))]
    usual = 1.96 * np.sqrt(sum(mean.variance for mean in both))
    assert 1.4 < (sequence["high"] - sequence["difference"]) / usual < 2


def test_equal_models_are_not_told_apart_and_it_says_how_many_more_are_needed():
    found = examined(arm(1_000, 0.12, 1), arm(1_000, 0.12, 2))
    said = found["verdict"]
    assert said["is"] == "no-difference-yet"
    assert said["text"].startswith("No difference found yet: one beyond ")
    # Some 9.4 × 2 × (0.12² + 0.12²) / 0.005² in all: see the boundary's own tests.
    assert 15_000 < said["needed"] < 30_000
    assert (
        f"about {said['needed']:,} more outcomes would show one of 0.5" in said["text"]
    )


@pytest.mark.parametrize("n", [0, 4, 99])
def test_with_few_outcomes_there_is_no_verdict(n):
    found = examined(arm(900, 0.15, 1), arm(n, 0.02, 2))
    assert found["verdict"] == {
        "is": "too-few",
        "text": f"Too few: 900 and {n} outcomes, 100 of each arm are needed",
    }
    assert (found["fixed"] is None) == (n < 5)
    assert ("mdape" in found["arms"]["challenger"]) == (n >= 5)
    assert examined(arm(900, 0.15, 1), arm(100, 0.02, 2))["verdict"]["is"] != "too-few"


def test_few_clients_are_no_more_than_few_outcomes():
    mine = np.arange(1_000) % 29
    found = examined(arm(1_000, 0.15, 1), arm(1_000, 0.05, 2, mine))
    assert found["verdict"]["is"] == "too-few"
    assert "1,000 and 29 clients, 30 of each" in found["verdict"]["text"]
    assert found["arms"]["challenger"]["clients_with_outcomes"] == 29


def test_one_absurd_error_does_not_decide():
    champion, challenger = arm(400, 0.1, 1), arm(400, 0.1, 2)
    challenger.price[0] = 1e12
    found = examined(champion, challenger)
    assert found["verdict"]["is"] == "no-difference-yet"
    assert found["arms"]["challenger"]["mean_error"] < 0.2


def test_every_figure_is_of_its_own_arm():
    n = 500
    sold = np.full(n, 100_000.0)
    arms = [
        Arm(n, fallbacks, sold, sold * off, np.arange(n))
        for fallbacks, off in ((0, 1.04), (7, 0.80))
    ]
    found = examined(*arms)["arms"]
    assert found["champion"] == {
        "answers": n,
        "fallbacks": 0,
        "outcomes": n,
        "clients_with_outcomes": n,
        "mdape": 0.04,
        "ppe10": 1.0,
        "bias": 0.04,
        "mean_error": 0.04,
    }
    assert found["challenger"]["bias"] == found["challenger"]["mdape"] * -1 == -0.2
    assert found["challenger"]["fallbacks"] == 7


# --- the arms -------------------------------------------------------------------------


def test_arms_that_are_not_what_the_share_says_void_the_verdict():
    arms = arm(3_000, 0.15, 1), arm(3_000, 0.10, 2)
    found = examined(*arms, clients=Clients(700, 500), share=0.5)
    assert found["verdict"]["is"] == "not-comparable"
    assert "500 of 1,200 clients came to the challenger" in found["verdict"]["text"]
    assert found["ratio"]["p"] < experiment.MISMATCH
    assert examined(*arms, clients=Clients(620, 580))["verdict"]["is"] == "challenger"


@pytest.mark.parametrize(
    ("clients", "share", "why"),
    [
        (Clients(900, 100), None, "the share is not known"),
        (Clients(), 0.1, "too few known clients"),
        (Clients(30, 19), 0.1, "too few known clients"),
    ],
)
def test_what_cannot_be_checked_is_said_and_voids_nothing(better, clients, share, why):
    arms = arm(3_000, 0.15, 1), arm(3_000, 0.10, 2)
    found = examined(*arms, clients=clients, share=share)
    assert found["ratio"]["unchecked"] == why
    assert found["verdict"] == better["verdict"]


def test_arms_as_they_should_be_seldom_void_a_verdict_at_one_look():
    rng = np.random.default_rng(8)
    runs = 5_000
    found = [
        experiment._ratio(Clients(1_000 - n, n), 0.1)["is_mismatch"]
        for n in map(int, rng.binomial(1_000, 0.1, runs))
    ]
    assert len(found) == runs
    assert stats.binomtest(sum(found), runs, 0.001, "greater").pvalue > 0.001


# --- the bootstrap --------------------------------------------------------------------


def test_the_fixed_interval_covers_the_truth_as_often_as_it_says():
    rng, runs, hits = np.random.default_rng(9), 400, 0
    truth = 0.02
    for _ in range(runs):
        a, b = (simulated.errors(rng, 150, x) for x in (0.10, 0.08))
        clients = np.arange(150), np.arange(150)
        found = experiment.significance.unpaired(a, b, clients, draws=200)
        hits += found["low"] <= truth <= found["high"]
    assert stats.binomtest(hits, runs, 0.95).pvalue > 0.001, hits / runs


def test_clients_with_many_homes_widen_the_interval():
    def width(homes):
        clients = np.repeat(np.arange(600 // homes), homes)
        errors = simulated.errors(np.random.default_rng(1), 600 // homes, 0.08)
        repeated = np.repeat(errors, homes)
        found = experiment.significance.unpaired(repeated, repeated, (clients, clients))
        return found["high"] - found["low"]

    assert width(20) > 3 * width(1)


def test_each_step_is_told():
    told = []
    examined(arm(200, 0.1, 1), arm(200, 0.1, 2), step=told.append)
    assert sum(told) == experiment.steps()


# --- on the same homes ----------------------------------------------------------------


def test_a_shadow_is_compared_on_the_same_homes():
    sold, champion = valued(600, 0.10)
    challenger = sold * (champion / sold) ** 0.8
    pairs = Pairs(sold, champion, challenger, np.arange(600))
    found = examined(arm(0, 0.1, 1), arm(0, 0.1, 2), pairs=pairs)
    assert found["verdict"]["is"] == "too-few"
    paired = found["paired"]
    assert paired["verdict"]["is"] == "challenger"
    assert paired["fixed"]["n"] == 600
    assert paired["fixed"]["difference"] < 0
    assert paired["fixed"]["wilcoxon"] < 1e-6
    few = Pairs(*(column[:99] for column in pairs))
    said = examined(arm(0, 0.1, 1), arm(0, 0.1, 2), pairs=few)["paired"]["verdict"]
    assert said["text"] == "Too few: 99 outcomes, 100 are needed"
    none = Pairs(*(column[:4] for column in pairs))
    assert examined(arm(0, 0.1, 1), arm(0, 0.1, 2), pairs=none)["paired"] is None


def test_models_that_say_the_same_do_not_differ():
    sold, price = valued(300, 0.1)
    pairs = Pairs(sold, price, price, np.arange(300))
    said = examined(arm(0, 0.1, 1), arm(0, 0.1, 2), pairs=pairs)["paired"]["verdict"]
    assert said["is"] == "no-difference-yet"
    assert said["needed"] is None


# --- disagreement ---------------------------------------------------------------------


def test_disagreement_is_told_by_thirds_of_the_price():
    champion = np.linspace(1e5, 1e6, 300)
    shadow = champion * np.repeat([1.0, 1.07, 0.7], 100)
    found = disagreement.measured(champion, shadow)
    beyond = [found[name]["beyond"] for name in ("all", *disagreement.THIRDS)]
    assert beyond == [
        {"0.05": 0.6667, "0.1": 0.3333, "0.2": 0.3333},
        {"0.05": 0.0, "0.1": 0.0, "0.2": 0.0},
        {"0.05": 1.0, "0.1": 0.0, "0.2": 0.0},
        {"0.05": 1.0, "0.1": 1.0, "0.2": 1.0},
    ]
    middle = found["middle third"]["log_ratio"]
    assert set(middle.values()) == {round(np.log(1.07), 4)}


def test_disagreement_of_few_homes_is_not_told():
    found = disagreement.measured(np.ones(14), np.ones(14))
    assert [group["n"] for group in found.values()] == [14, 5, 5, 4]
    assert "beyond" not in found["dearest third"]
    assert "beyond" in found["cheapest third"]


# --- the document ---------------------------------------------------------------------


def test_the_minimums_are_those_of_the_document():
    text = (ROOT / "docs" / "experiments.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", text, re.M)
    assert {name: int(count) for name, count in rows} == experiment.MINIMUMS
    assert f"{100 * experiment.DIFFERENCE:g} points" in text
    assert f"below {experiment.MISMATCH:g}" in text


def test_the_text_ends_with_the_verdict(better):
    text = experiment_text.report({"experiment": "a-1/b-2", "slot": "full"} | better)
    assert text.endswith(f"\n\n{better['verdict']['text']}.")
    assert "–" not in text
    assert re.search(r"^Model +a-1 +b-2$", text, re.M)
