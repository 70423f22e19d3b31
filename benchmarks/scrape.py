"""How long a scrape takes after thousands of random URLs.

`python benchmarks/scrape.py --url http://127.0.0.1:8000 --urls 5000`, against a server
with RATE_LIMIT=off. tests/deploy/test_series.py bounds the series; time is for here.
"""

import argparse
import http.client
import random
import statistics
import string
import time
import urllib.parse


def get(host: str, path: str) -> bytes:
    """Return the body at a path, over a connection of its own."""
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("GET", path)
    body = connection.getresponse().read()
    connection.close()
    return body


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--urls", type=int, default=5000)
    arguments = parser.parse_args()
    host = urllib.parse.urlsplit(arguments.url).netloc
    chance = random.Random(0)
    for _ in range(arguments.urls):
        get(host, "/" + "".join(chance.choices(string.ascii_letters + "/?%", k=30)))
    times = []
    for _ in range(30):
        began = time.perf_counter()
        body = get(host, "/metrics")
        times.append(1000 * (time.perf_counter() - began))
    series = [x for x in body.decode().splitlines() if x and x[0] != "#"]
    print(
        f"{arguments.urls} random URLs: {len(series)} series, {len(body)} bytes, "
        f"median {statistics.median(times):.1f} ms, longest {max(times):.1f} ms"
    )


if __name__ == "__main__":
    main()
