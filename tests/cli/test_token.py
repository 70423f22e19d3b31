"""`flask token`: what is issued is good, and inspect says whether a token is."""

import json

import jwt
import pytest

NEW = "T9v4fWb2kQz7Lx0RmYpJ8sDcH3nGuEa6"  # pragma: allowlist secret
OLD = "o1Zq5tXy8KwB3vNf6RjM0hCgP2sLdUe4"  # pragma: allowlist secret
ONE = {"": NEW.encode()}
TWO = {"new": NEW.encode(), "old": OLD.encode()}
ANNA = ("token", "issue", "--subject", "anna", "--scope", "predict")


def issued(run, *more):
    return run.ok(*ANNA, *more).strip()


def test_an_issued_token_says_who_what_and_how_long(run_with):
    run = run_with(JWT_SECRET=ONE)
    token = issued(run, "--scope", "outcomes", "--scope", "predict", "--ttl", "15m")
    claims = jwt.decode(token, NEW, ["HS256"], audience="housing_app")
    assert claims["sub"] == "anna"
    assert claims["scope"] == "predict outcomes"
    assert claims["iss"] == "housing_app"
    assert claims["exp"] - claims["iat"] == 900
    assert "kid" not in jwt.get_unverified_header(token)


@pytest.mark.parametrize(
    ("more", "kid", "secret"),
    [((), "new", NEW), (("--kid", "old"), "old", OLD)],
)
def test_the_first_secret_signs_unless_another_is_named(run_with, more, kid, secret):
    token = issued(run_with(JWT_SECRET=TWO), *more)
    assert jwt.get_unverified_header(token)["kid"] == kid
    jwt.decode(token, secret, ["HS256"], audience="housing_app")


def test_without_a_secret_none_is_issued(run):
    assert "JWT_SECRET" in run.refuses(*ANNA)


def test_a_secret_that_is_not_there_is_named(run_with):
    assert "gone" in run_with(JWT_SECRET=TWO).refuses(*ANNA, "--kid", "gone")


@pytest.mark.parametrize(
    "wrong",
    [
        ("--subject", "", "--scope", "predict"),
        ("--subject", "x" * 201, "--scope", "predict"),
        ("--subject", "a\nb", "--scope", "predict"),
        ("--subject", "a", "--scope", "root"),
        ("--subject", "a"),
        ("--scope", "predict"),
        ("--subject", "a", "--scope", "predict", "--ttl", "0s"),
        ("--subject", "a", "--scope", "predict", "--ttl", "10"),
        ("--subject", "a", "--scope", "predict", "--ttl", "367d"),
    ],
)
def test_a_wrong_call_issues_nothing(run_with, wrong):
    run_with(JWT_SECRET=ONE).fails("token", "issue", *wrong, code=2)


@pytest.mark.parametrize("by_stdin", [True, False])
def test_a_good_token_is_shown_and_called_good(run_with, by_stdin):
    run = run_with(JWT_SECRET=TWO)
    token = issued(run)
    shown = (
        run("token", "inspect", stdin=token)
        if by_stdin
        else run("token", "inspect", token)
    )
    assert shown.exit_code == 0
    assert json.loads(shown.stdout)["claims"]["sub"] == "anna"
    assert "good" in shown.stderr
    assert token.rpartition(".")[2] not in shown.output, "the signature is a secret"


def test_a_bad_token_is_shown_and_said_to_be_bad(run_with):
    token = issued(run_with(JWT_SECRET=TWO))
    shown = run_with(JWT_SECRET=ONE)("token", "inspect", token)
    assert shown.exit_code == 1
    assert json.loads(shown.stdout)["header"]["kid"] == "new"
    assert "refused: the token's key is not known" in shown.stderr


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "é"])
def test_what_is_no_token_is_said_to_be_none(run_with, text):
    run_with(JWT_SECRET=ONE).fails("token", "inspect", stdin=text)


def test_secrets_are_not_shown_by_the_configuration(run_with):
    run = run_with(JWT_SECRET=TWO, REDIS_URL="redis://:hunter2@cache:6379/0")
    text = run.ok("config")
    assert "JWT_SECRET=********" in text
    for secret in (NEW, OLD, "hunter2"):
        assert secret not in text
