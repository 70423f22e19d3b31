"""Routes that end say so; the table is empty today, so tests hand over their own."""

from datetime import date

import pytest

from housing_app import create_app
from housing_app.v1 import lifecycle, openapi
from housing_app.v1.lifecycle import Notice

ENDING = Notice(
    "/v1/info", date(2026, 1, 1), date(2026, 7, 1), "https://example.org/v2/info"
)


def announcing(*notices):
    made = create_app({"RATE_LIMIT": "off"})
    lifecycle.init_app(made, notices)
    return made


def test_an_ending_route_says_since_when_until_when_and_what_instead(app):
    answer = announcing(ENDING).test_client().get("/v1/info")
    assert answer.status_code == 200
    assert answer.headers["Deprecation"] == "@1767225600"
    assert answer.headers["Sunset"] == "Wed, 01 Jul 2026 00:00:00 GMT"
    assert answer.headers.getlist("Link") == [
        '</docs#versions>; rel="deprecation"; type="text/html"',
        '<https://example.org/v2/info>; rel="successor-version"',
    ]


def test_errors_of_an_ending_route_say_so_too(app):
    notice = Notice("/v1/zipcodes/<zipcode>", date(2026, 1, 1))
    answer = announcing(notice).test_client().get("/v1/zipcodes/00000")
    assert answer.status_code == 404
    assert answer.headers["Deprecation"] == "@1767225600"


def test_an_end_without_a_date_or_successor_leaves_them_out(app):
    made = announcing(Notice("/v1/info", date(2026, 1, 1)))
    answer = made.test_client().get("/v1/info")
    assert "Sunset" not in answer.headers
    assert len(answer.headers.getlist("Link")) == 1


@pytest.mark.parametrize("path", ["/v1/accuracy", "/health/live", "/nowhere"])
def test_other_routes_say_nothing(app, path):
    answer = announcing(ENDING).test_client().get(path)
    assert not {*lifecycle.HEADERS} & {*answer.headers.keys()}


def test_the_document_marks_an_ending_route():
    paths = openapi.build(announcing(ENDING))["paths"]
    assert paths["/v1/info"]["get"]["deprecated"] is True
    assert {*lifecycle.HEADERS} < {
        *paths["/v1/info"]["get"]["responses"]["200"]["headers"]
    }
    assert "deprecated" not in paths["/v1/accuracy"]["get"]


def test_a_route_cannot_end_before_it_is_deprecated():
    with pytest.raises(ValueError, match="/v1/info would end before"):
        announcing(Notice("/v1/info", date(2026, 1, 1), date(2025, 1, 1)))


def test_the_table_names_routes_that_exist(app, client):
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    assert {notice.rule for notice in lifecycle.NOTICES} <= rules
    assert 'id="versions"' in client.get(lifecycle.POLICY.partition("#")[0]).text
