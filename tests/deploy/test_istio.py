"""deploy/istio/: valid, and about the colours and routes that there are."""

import copy

import pytest

from housing_app.config import SETTINGS
from tests.deploy import manifests
from tests.deploy.manifests import COLOURS, KUBERNETES, one


@pytest.fixture(scope="module")
def documents():
    return manifests.built(manifests.DEPLOY / "istio" / "base")


@pytest.fixture
def routes(documents):
    found = one(documents, "VirtualService")["spec"]["http"]
    return {route["name"]: route for route in found}


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("VirtualService", lambda x: x["http"][2].update(timout="35s")),
        ("VirtualService", lambda x: x["http"][1]["match"][0].update(header={})),
        ("VirtualService", lambda x: x["http"][2]["route"][0].update(weight="most")),
        ("DestinationRule", lambda x: x["trafficPolicy"].update(outlier={})),
        ("DestinationRule", lambda x: x["subsets"][0].pop("name")),
        ("Gateway", lambda x: x["servers"][1]["tls"].update(minVersion="1.3")),
        ("EnvoyFilter", lambda x: x["configPatches"][0].update(apply="x")),
    ],
)
def test_a_fault_would_be_found(documents, kind, change):
    document = copy.deepcopy(one(documents, kind))
    manifests.check(document)
    change(document["spec"])
    with pytest.raises(ValueError, match=r"unknown|validation error"):
        manifests.check(document)


def shares(documents):
    routes = one(documents, "VirtualService")["spec"]["http"]
    return {way["destination"]["subset"]: way["weight"] for way in routes[-1]["route"]}


def test_it_has_the_names_that_scripts_change(documents, routes):
    assert one(documents, "VirtualService")["metadata"]["name"] == "housing"
    assert {way["destination"]["subset"] for way in routes["weights"]["route"]} == {
        *("blue", "green")
    }


def test_as_committed_no_request_goes_where_nothing_may_run(documents):
    assert shares(documents) == {"blue": 100, "green": 0}


def test_the_canary_step_is_ninety_and_ten(documents):
    stepped = manifests.built(manifests.DEPLOY / "istio" / "canary")
    assert shares(stepped) == {"blue": 90, "green": 10}
    for document in stepped:
        manifests.check(document)
    changed = [x["kind"] for x, y in zip(documents, stepped, strict=True) if x != y]
    assert changed == ["VirtualService"]


def test_the_header_comes_before_the_weights(routes):
    assert list(routes) == ["metrics", "canary-by-header", "weights"]
    (match,) = routes["canary-by-header"]["match"]
    assert match == {"headers": {"x-canary": {"exact": "true"}}}
    (way,) = routes["canary-by-header"]["route"]
    assert way["destination"]["subset"] == "canary"
    assert "match" not in routes["weights"], "the last route takes the rest"


def test_metrics_are_not_for_the_outside(routes):
    paths = [match["uri"] for match in routes["metrics"]["match"]]
    assert paths == [{"exact": "/metrics"}, {"prefix": "/metrics/"}]
    abort = routes["metrics"]["fault"]["abort"]
    assert abort == {"httpStatus": 404, "percentage": {"value": 100}}


def test_no_request_that_was_sent_is_sent_again(routes):
    for name in ("canary-by-header", "weights"):
        conditions = routes[name]["retries"]["retryOn"].split(",")
        assert set(conditions) == {"connect-failure", "refused-stream"}


def test_every_destination_is_a_subset_of_pods_that_there_are(documents, routes):
    rule = one(documents, "DestinationRule")["spec"]
    service = one(documents, "Service")
    host = "{name}.{namespace}.svc.cluster.local".format(**service["metadata"])
    assert rule["host"] == host
    subsets = {subset["name"]: subset["labels"] for subset in rule["subsets"]}
    assert set(subsets) == set(COLOURS)
    for colour, labels in subsets.items():
        built = manifests.built(KUBERNETES / "overlays" / colour)
        pod = one(built, "Deployment")["spec"]["template"]["metadata"]["labels"]
        assert (labels | service["spec"]["selector"]).items() <= pod.items()
    (port,) = service["spec"]["ports"]
    for name in ("canary-by-header", "weights"):
        for way in routes[name]["route"]:
            assert way["destination"]["host"] == host
            assert way["destination"]["subset"] in subsets
            assert way["destination"]["port"] == {"number": port["port"]}


def test_the_gateway_is_the_virtual_services(documents):
    gateway = one(documents, "Gateway")
    service = one(documents, "VirtualService")["spec"]
    assert service["gateways"] == [gateway["metadata"]["name"]]
    for server in gateway["spec"]["servers"]:
        assert server["hosts"] == service["hosts"]


def test_a_body_is_read_whole_before_a_worker_has_it(documents):
    (patch,) = one(documents, "EnvoyFilter")["spec"]["configPatches"]
    (setting,) = (s for s in SETTINGS if s.name == "MAX_CONTENT_LENGTH")
    buffer = patch["patch"]["value"]["typed_config"]
    assert buffer["max_request_bytes"] == int(setting.default)
