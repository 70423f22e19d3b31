"""The two pages with a script: what the server puts into them, and how it is kept."""

import json
import re

import pytest
from test_pages import Page

from housing_app.site import assets, form
from housing_app.valuation.features import FEATURES, Feature

FRONT = ["/", "/accuracy"]


@pytest.fixture(params=FRONT)
def answer(request, client):
    found = client.get(request.param)
    assert (found.status_code, found.mimetype) == (200, "text/html")
    return found


def test_only_scripts_of_ours_may_run_and_only_we_may_be_asked(answer):
    (policy,) = answer.headers.getlist("Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.pop("default-src") == "'none'"
    for name in ("script-src", "connect-src", "style-src", "img-src"):
        assert rules.pop(name) == "'self'"
    assert set(rules.values()) == {"'none'"}


def test_nothing_is_inline_and_all_is_from_here(answer, client):
    page = Page(answer.text)  # which fails over style= and on…=
    scripts = [given for tag, given in page.tags if tag == "script"]
    assert len(scripts) == 3
    assert all("src" in given for given in scripts)
    assert "style" not in [tag for tag, _ in page.tags]
    for link in page.links:
        path = link.partition("#")[0]
        assert not path or client.get(path).status_code == 200


@pytest.mark.parametrize("accept", ["*/*", "text/html", "application/json", ""])
def test_a_person_or_a_program_gets_the_page(client, accept):
    assert client.get("/", headers={"Accept": accept}).mimetype == "text/html"


# --- the form -------------------------------------------------------------------------


def test_every_field_is_in_the_form_once_with_its_limits_and_help(client):
    page = Page(client.get("/").text)
    inputs = {
        given["data-field"]: given for _, given in page.tags if "data-field" in given
    }
    assert inputs.keys() == {f.name for f in FEATURES} | {"zipcode", "valuation_date"}
    for feature in FEATURES:
        given = inputs[feature.name]
        assert float(given["data-low"]) == feature.low
        assert float(given["data-high"]) == feature.high
        assert float(given.get("data-step", 0)) == (feature.step or 0)
        assert ("data-zero" in given, "data-core" in given) == (
            feature.zero,
            feature.core,
        )
        assert given["data-label"] == feature.label
    text = client.get("/").text
    for feature in FEATURES:
        assert f'<p class="help" id="h-{feature.name}">' in text
        assert feature.help.replace("'", "&#39;") in text


def test_a_field_that_no_group_names_is_not_lost():
    new = Feature("pools", "Pools", "pools", 0, 9, 1, False, "How many pools.")
    groups = form.groups((*FEATURES, new))
    assert groups[-1].fields == (new,)
    named = [field.name for group in form.groups() for field in group.fields]
    assert sorted(named) == sorted(field.name for field in FEATURES)


def test_examples_are_homes_that_the_api_takes(client, example_homes):
    assert [one.home for one in form.examples()] == example_homes
    text = client.get("/").text
    found = [given["data-home"] for _, given in Page(text).tags if "data-home" in given]
    assert [json.loads(one) for one in found] == example_homes


# --- files ----------------------------------------------------------------------------


def test_files_are_kept_by_browsers_under_a_name_that_changes_with_them(client):
    for name in assets.names():
        found = client.get(f"/static/{assets.version()}/{name}")
        assert found.status_code == 200
        assert found.mimetype == assets.TYPES["." + name.rpartition(".")[2]]
        assert found.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_under_another_name_files_are_served_but_not_kept(client):
    found = client.get("/static/of-another-release/js/api.js")
    assert found.status_code == 200
    assert found.headers["Cache-Control"] == "no-store"


def test_the_name_changes_with_any_file(monkeypatch, tmp_path):
    (tmp_path / "a.js").write_text("1")
    monkeypatch.setattr(assets, "STATIC", tmp_path)
    names = set()
    for name, text in (("a.js", "1"), ("a.js", "2"), ("b.css", ""), ("LICENSE", "x")):
        (tmp_path / name).write_text(text)
        assets.version.cache_clear()
        names.add(assets.version())
    assets.version.cache_clear()
    assert len(names) == 3, "a licence is served to nobody"


def test_every_module_imports_what_there_is():
    modules = {name for name in assets.names() if name.startswith("js/")}
    reached = {"js/valuation.js", "js/accuracy.js"}
    for name in modules:
        text = (assets.STATIC / name).read_text("utf-8")
        imported = re.findall(r'^} from "\./(.*)";|^import .*"\./(.*)";', text, re.M)
        reached |= {f"js/{a or b}" for a, b in imported}
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|eval\(", text), (
            name
        )
        assert not re.search(r"localStorage|sessionStorage|cookie|indexedDB", text), (
            name
        )
    assert reached == modules, "none is missing and none is left over"


def test_what_was_taken_from_others_is_unchanged_and_has_its_licence():
    vendor = assets.STATIC / "vendor"
    table = (vendor / "README.md").read_text("utf-8")
    for path in vendor.glob("*/*.js"):
        assert f"`{path.relative_to(vendor)}`" in table
        assert (
            "Permission to use, copy, modify" in path.with_name("LICENSE").read_text()
        )
