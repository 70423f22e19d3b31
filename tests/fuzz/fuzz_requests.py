"""Look for a body that breaks the parser or the schemas: `make fuzz SECONDS=600`.

Not a test: it runs for as long as it is told, another seed each round. A body is
either refused with a problem whose pointers lead somewhere, or is one that the OpenAPI
document allows and that gives homes within their limits.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # run as a script, from wherever

from housing_app import create_app  # noqa: E402
from housing_app.errors import PROBLEMS, Problem  # noqa: E402
from housing_app.v1 import openapi, schemas  # noqa: E402
from housing_app.valuation.features import FEATURES, NAMES, ZIPCODE  # noqa: E402

MOST = 5
HOME = json.loads((ROOT / "examples" / "home.json").read_text())
FIELDS = {feature.name: feature for feature in FEATURES}

# --- bodies ---------------------------------------------------------------------------

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-20, 100_001)
    | st.floats()
    | st.integers(-400, 400).map(lambda quarters: quarters / 4)
    | st.text(max_size=12)
    | st.dates().map(str)
    | st.sampled_from([10**400, -0.0, 5e-324, "98103", "\ud800", "\x00", "2015-02-29"])
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
names = st.sampled_from([*NAMES, ZIPCODE, "valuation_date", "records", "a/b~c", ""])
changes = st.dictionaries(names | st.text(max_size=8), scalars | anything, max_size=3)


@st.composite
def homes(draw: st.DrawFn) -> dict[str, Any]:
    home = HOME | draw(changes)
    for name in draw(st.lists(names, max_size=1)):
        home.pop(name, None)
    return home


payloads = (
    homes()
    | st.builds(
        lambda records, more: {"records": records} | more,
        st.lists(homes() | anything, max_size=MOST + 1),
        st.just({}) | changes,
    )
    | anything
)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """Return JSON, whole or with a piece cut out, doubled or replaced."""
    body = json.dumps(draw(payloads), ensure_ascii=draw(st.booleans())).encode(
        "utf-8", "surrogatepass"
    )
    if draw(st.booleans()):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.integers(0, 40)))
        piece = draw(st.binary(max_size=8) | st.just(body[start:end] * 2))
        body = body[:start] + piece + body[end:]
    return body


deep = st.builds(
    lambda opening, times: opening * times,
    st.sampled_from([b"[", b'{"a":', b'{"records":[', b"-", b"1", b'"\\']),
    st.integers(1, 100_000),
)
bodies = texts() | st.binary(max_size=200) | st.text().map(
    lambda text: text.encode("utf-8", "surrogatepass")
) | deep  # fmt: skip

# --- what must hold -------------------------------------------------------------------


def allowed() -> Draft202012Validator:
    document = openapi.build(create_app({"RATE_LIMIT": "off", "MAX_RECORDS": MOST}))
    places = [{"$ref": f"#/components/schemas/{name}"} for name in ("Home", "Homes")]
    shape = {"oneOf": places, "components": document["components"]}
    return Draft202012Validator(
        shape, format_checker=Draft202012Validator.FORMAT_CHECKER
    )


DOCUMENTED = allowed()


def is_documented(payload: Any) -> bool:
    try:
        return DOCUMENTED.is_valid(payload)
    except OverflowError:  # jsonschema divides by multipleOf: a huge number is wrong
        return False


def problem_of(call: Callable[[], Any], name: str, sent: Any) -> Problem | None:
    """Return the problem a call raises, checked; any other exception is a find."""
    try:
        call()
    except Problem as raised:
        problem = raised
    else:
        return None
    assert problem.name == name
    assert_told(problem, sent)
    return problem


def check(body: bytes) -> None:
    if problem_of(lambda: schemas.parse_json(body), "malformed-json", body):
        return
    payload = schemas.parse_json(body)

    def load() -> schemas.ValuationRequest:
        return schemas.load_request(payload, "full", MOST)

    if problem := problem_of(load, "invalid-request", payload):
        said = {error["detail"] for error in problem.errors}
        # NaN and infinities are no JSON, so no schema can speak of them.
        assert "must be a finite number" in said or not is_documented(payload), said
        return
    assert is_documented(payload)
    assert 1 <= len(load()) <= MOST
    found = schemas.asked(payload)
    for home in found:
        assert_within_limits(home)


def assert_within_limits(home: dict[str, Any]) -> None:
    assert home.keys() <= {*NAMES, ZIPCODE, "valuation_date"}
    assert len(home[ZIPCODE]) == 5
    assert home[ZIPCODE].isdecimal()
    for name, feature in FIELDS.items():
        assert home[name] is None or math.isfinite(home[name])
        assert home[name] is None or feature.refuse(home[name]) is None


def assert_told(problem: Problem, payload: Any) -> None:
    """Check that a problem can be sent, is bounded, and points into the payload."""
    assert problem.name in PROBLEMS
    assert len(json.dumps([problem.detail, problem.errors]).encode()) < 50_000
    assert len(problem.errors) <= schemas.MAX_ERRORS + 1
    for error in problem.errors:
        assert error["detail"]
        place = payload
        *parents, _ = error["pointer"].split("/")[1:] or [""]
        for part in parents:
            place = place[int(part) if isinstance(place, list) else part]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given_ = parser.parse_args()
    end, tried = time.monotonic() + given_.seconds, 0

    def counted(body: bytes) -> None:
        nonlocal tried
        tried += 1
        check(body)

    for number in count(given_.seed):
        limits = settings(
            max_examples=1_000,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        seed(number)(limits(given(bodies)(counted)))()
        if time.monotonic() > end:
            break
    print(f"{tried:,} bodies, seeds {given_.seed} to {number}: nothing broke")


if __name__ == "__main__":
    main()
