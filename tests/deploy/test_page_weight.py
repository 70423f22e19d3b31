"""What a visit to the page costs, through nginx as it is deployed."""

import pytest
from browser import visit

LIMIT = 300_000  # bytes, as sent


@pytest.mark.parametrize("path", ["/", "/accuracy"])
def test_a_first_visit_sends_at_most_300_kb_and_a_second_hardly_anything(
    proxy, chromium, path
):
    with visit(chromium, proxy.url) as found:
        wire = found.page.context.new_cdp_session(found.page)
        wire.send("Network.enable")
        sent = []
        wire.on(
            "Network.loadingFinished", lambda one: sent.append(one["encodedDataLength"])
        )

        def weigh():
            sent.clear()
            page = found.open(path)
            if path == "/":
                found.value()
                page.locator("#w-chart svg").wait_for()
            else:
                page.locator("#figures").wait_for()
            return sum(sent)

        first, second = weigh(), weigh()
        print(f"{path}: {first:,} bytes, then {second:,}")
        assert 50_000 < first <= LIMIT
        assert second < first / 5
        for answer in found.answers:
            if (
                "/static/" in answer.url
                and answer.header_value("content-length") is None
            ):
                assert answer.header_value("content-encoding") == "gzip", answer.url
