"""What clients ask for never becomes a metric series."""

import http.client
import random
import string
from concurrent.futures import ThreadPoolExecutor

URLS = 5000
METHODS = ["GET", "GET", "GET", "POST", "HEAD", "PUT", "BREW", "X-MOST-ODD"]
STARTS = ["/", "/v1/", "/v1/zipcodes/", "/v1/predict/", "/health/", "/static/", "//"]
LETTERS = string.ascii_letters + string.digits + "-._~%?=&;/"


def random_requests(count):
    chance = random.Random(20150331)
    for _ in range(count):
        tail = "".join(chance.choices(LETTERS, k=chance.randint(1, 60)))
        yield chance.choice(METHODS), chance.choice(STARTS) + tail


def ask(port, wanted):
    """Send requests, each on its own connection; return the statuses."""
    found = set()
    for method, path in wanted:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request(method, path, headers={"User-Agent": path})
        found.add(connection.getresponse().status)
        connection.close()
    return found


def test_5000_random_urls_leave_few_series_and_a_small_scrape(server):
    wanted = list(random_requests(URLS))
    assert len({path for _, path in wanted}) > 0.99 * URLS
    with ThreadPoolExecutor(4) as pool:
        parts = [wanted[n::4] for n in range(4)]
        statuses = set().union(*pool.map(lambda part: ask(server.port, part), parts))
    assert {404, 405} <= statuses
    assert max(statuses) < 500
    scrape = server.get("/metrics")
    series = [x for x in scrape.text.splitlines() if x and not x.startswith("#")]
    counted = [x for x in series if x.startswith("http_requests_total")]
    assert sum(float(x.rsplit(" ", 1)[1]) for x in counted) >= URLS
    assert len(series) <= 500
    assert len(scrape.content) < 100_000
