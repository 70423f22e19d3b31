"""The pages hold everything, work without script, and load nothing from elsewhere."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from housing_app import create_app
from housing_app.errors import PROBLEMS
from housing_app.site import assets, wording
from housing_app.v1 import schemas
from housing_app.valuation.features import FEATURES

PAGES = ["/docs", "/problems", *(f"/problems/{name}" for name in PROBLEMS)]
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Note ids, links and headings; fail where tags do not close."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.tags = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open, "not closed"

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        assert not [name for name in given if name == "style" or name.startswith("on")]
        self.tags.append((tag, given))
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given[name] for name in ("href", "src") if name in given]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(params=PAGES)
def answer(request, client):
    found = client.get(request.param, headers={"Accept": "text/html,*/*;q=0.8"})
    assert found.status_code == 200
    assert found.mimetype == "text/html"
    return found


def test_a_page_is_well_formed_and_needs_no_script(answer):
    page = Page(answer.text)
    names = [tag for tag, _ in page.tags]
    assert not {"script", "style", "iframe", "object", "embed"} & set(names)
    assert names.count("h1") == names.count("main") == names.count("title") == 1
    assert dict(page.tags)["html"]["lang"] == "en"
    assert len(set(page.ids)) == len(page.ids)
    assert all(given["scope"] for tag, given in page.tags if tag == "th")
    levels = [int(tag[1]) for tag in names if re.fullmatch(r"h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_link_stays_here_and_leads_somewhere(answer, client):
    page = Page(answer.text)
    for link in set(page.links):
        path, _, anchor = link.partition("#")
        assert path == "" or re.match(r"/(?!/)", path), "from elsewhere"
        assert not path or client.get(path).status_code == 200, link
        assert not anchor or path or anchor in page.ids, link


def test_browsers_are_told_to_load_our_stylesheet_and_nothing_else(answer, client):
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    (sheet,) = (link for link in Page(answer.text).links if link.endswith(".css"))
    styles = client.get(sheet)
    assert styles.mimetype == "text/css"
    assert not re.search(r"url\(|@import", styles.text)


def test_docs_show_every_route_field_limit_parameter_and_problem(client):
    text = client.get("/docs").text
    paths = client.get("/v1/openapi.json").json["paths"]
    for path, methods in paths.items():
        for method in methods:
            assert f"<code>{method.upper()} {path}</code>" in text
    for feature in FEATURES:
        assert f"<code>{feature.name}</code>" in text
        limits = {"minimum": feature.low, "maximum": feature.high}
        assert wording.limits(limits) in text
        assert str(feature.unit) in text
    for name in (*schemas.PARAMETERS, *schemas.SEGMENTS):
        assert name in text
    for name in PROBLEMS.keys() - {"method-not-allowed"}:
        assert f'href="/problems/{name}"' in text
    assert '"sqft_living": 1850' in text, "the example"


def test_members_of_members_are_told_with_their_path(client):
    text = client.get("/docs").text
    assert "<code>models[].accuracy.holdout.mdape</code>" in text
    assert "<code>checks.models.status</code>" in text


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ({"minimum": 1700, "maximum": 2100}, "from 1700 to 2100"),
        ({"minimum": 100, "maximum": 20_000_000}, "from 100 to 20,000,000"),
        ({"minimum": 0, "multipleOf": 0.25}, "from 0; steps of 0.25"),
        ({"anyOf": [{"const": 0}, {"minimum": 1700}]}, "0; from 1700"),
        ({"enum": [0.5, 0.9], "default": 0.9}, "0.5, 0.9; 0.9 by default"),
        ({}, ""),
    ],
)
def test_limits_in_words(shape, words):
    assert wording.limits(shape) == words


def test_docs_cannot_be_broken_by_what_the_document_holds(app):
    made = create_app({"RATE_LIMIT": "off", "VERSION": "<script>alert(1)</script>"})
    text = made.test_client().get("/docs").text
    assert "<script" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problems_page_says_when_it_comes_and_what_to_do(client, name):
    kind = PROBLEMS[name]
    assert kind.meaning.endswith(".")
    assert kind.cure.endswith(".")
    text = client.get(f"/problems/{name}").text
    for said in (name, str(kind.status), kind.title):
        assert said in text
    for said in (kind.meaning, kind.cure):
        assert str(wording.marked(said)) in text


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_program_gets_a_problem_type_as_json(client, name):
    found = client.get(f"/problems/{name}", headers={"Accept": "application/json"})
    assert found.mimetype == "application/json"
    assert found.vary == {"Accept"}
    assert found.json == {"type": f"/problems/{name}"} | PROBLEMS[name]._asdict()
    listed = client.get("/problems", headers={"Accept": "application/json"}).json
    assert found.json in listed["problems"]
    assert len(listed["problems"]) == len(PROBLEMS)


@pytest.mark.parametrize(
    "accept", ["application/json", "text/html", "*/*", "image/png", ";;;", ""]
)
def test_an_unknown_problem_is_itself_a_problem(client, accept):
    found = client.get("/problems/none", headers={"Accept": accept})
    assert found.status_code == 404
    assert found.json["type"] == "/problems/not-found"


@pytest.mark.parametrize("accept", ["*/*", "image/png", ";;;", "text/html", ""])
def test_whoever_does_not_ask_for_json_gets_a_page(client, accept):
    found = client.get("/problems/not-found", headers={"Accept": accept})
    assert (found.status_code, found.mimetype) == (200, "text/html")


def test_the_type_of_a_real_problem_leads_to_its_page(client):
    kind = client.get("/nowhere").json
    assert kind["title"] in client.get(kind["type"]).text


@pytest.mark.parametrize(
    "name", ["../pages.py", "..%2fpages.py", "none", "none.js", "vendor/d3/LICENSE"]
)
def test_only_what_pages_are_made_of_is_served(client, name):
    assert client.get(f"/static/{assets.version()}/{name}").status_code == 404
