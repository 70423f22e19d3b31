"""deploy/kubernetes/: valid, and in step with the app, the image and each other."""

import json
import os
import re
import subprocess

import pytest
import yaml

from housing_app import config
from housing_app.config import ROOT, SETTINGS
from tests.deploy import manifests
from tests.deploy.image import parse
from tests.deploy.manifests import COLOURS, KUBERNETES, mebibytes, one, pods

NAMES = {setting.name for setting in SETTINGS}
SECRET = {setting.name for setting in SETTINGS if setting.secret}
DOCKERFILE = parse((ROOT / "Dockerfile").read_text("utf-8"))
UID = int(next(x.text for x in DOCKERFILE if x.name == "USER").partition(":")[0])
(INSTANCE,) = (x.text for x in DOCKERFILE if x.name == "VOLUME")
GRACEFUL = int(
    re.search(
        r"(?m)^graceful_timeout = (\d+)", (ROOT / "gunicorn.conf.py").read_text()
    )[1]
)
WORKER_MIB = 85  # docs/deploy.md#memory


@pytest.fixture(scope="module")
def everything():
    """Return {folder: its documents} of every kustomization."""
    found = {
        str(folder.relative_to(manifests.DEPLOY)): manifests.built(folder)
        for folder in manifests.kustomizations()
    }
    assert len(found) >= 9
    return found


@pytest.fixture(scope="module")
def colours(everything):
    return {name: everything[f"kubernetes/overlays/{name}"] for name in COLOURS}


@pytest.fixture(scope="module")
def shared(everything):
    return everything["kubernetes/shared"]


@pytest.fixture(scope="module")
def templates(everything):
    found = [pod for documents in everything.values() for pod in pods(documents)]
    assert len(found) >= 9
    return found


# --- valid ----------------------------------------------------------------------------


def test_every_document_is_what_its_api_takes(everything):
    seen = set()
    for folder, documents in everything.items():
        assert documents, folder
        for document in documents:
            # Green is blue by another name, and checked once.
            text = re.sub(r"\bgreen\b", "blue", json.dumps(document, sort_keys=True))
            if text not in seen:
                manifests.check(document)
            seen.add(text)
    assert len(seen) >= 30


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("Deployment", lambda x: x["spec"].update(replcas=3)),
        ("Deployment", lambda x: x["spec"].update(minReadySeconds="soon")),
        ("Deployment", lambda x: x["spec"].pop("selector")),
        (
            "Deployment",
            lambda x: x["spec"]["template"]["spec"]["containers"][0].update(imag="x"),
        ),
        ("HorizontalPodAutoscaler", lambda x: x["spec"].pop("maxReplicas")),
        ("PodDisruptionBudget", lambda x: x["spec"].update(minavailable=1)),
    ],
)
def test_a_fault_would_be_found(colours, kind, change):
    document = yaml.safe_load(yaml.safe_dump(one(colours["blue"], kind)))
    change(document)
    with pytest.raises(Exception, match=r"unexpected|not of type|required"):
        manifests.check(document)


@pytest.mark.parametrize(
    "change", [{"kind": "Budget"}, {"apiVersion": "policy/v1beta1"}]
)
def test_what_no_schema_is_known_for_is_not_right(colours, change):
    document = one(colours["blue"], "PodDisruptionBudget") | change
    with pytest.raises(Exception) as caught:  # noqa: PT011 - its module may be absent
        manifests.check(document)
    assert type(caught.value).__name__ == "SchemaNotFoundError"


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: spec["endpoints"][0].update(intervall="15s"),
        lambda spec: spec.update(endpoint=[]),
        lambda spec: spec.pop("selector"),
        lambda spec: spec["endpoints"][0].update(path=["/metrics"]),
    ],
)
def test_a_fault_of_the_monitor_would_be_found(shared, change):
    document = yaml.safe_load(yaml.safe_dump(one(shared, "ServiceMonitor")))
    change(document["spec"])
    with pytest.raises(ValueError, match=r"unknown|validation error"):
        manifests.check(document)


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: spec["cluster"]["spec"].update(wroker={}),
        lambda spec: spec["cluster"]["spec"]["worker"].update(replicas="4"),
        lambda spec: spec["cluster"]["spec"]["scheduler"].pop("service"),
        lambda spec: spec["job"]["spec"]["containers"][0].update(imag="x"),
        lambda spec: spec["cluster"]["spec"]["worker"]["spec"].pop("containers"),
    ],
)
def test_a_fault_of_the_dask_job_would_be_found(everything, change):
    document = yaml.safe_load(
        yaml.safe_dump(one(everything["kubernetes/dask"], "DaskJob"))
    )
    manifests.check(document)
    change(document["spec"])
    with pytest.raises(Exception, match=r"unexpected|not of type|required"):
        manifests.check(document)


def test_a_dask_cluster_hears_itself_and_its_operator_alone(everything):
    documents = everything["kubernetes/dask"]
    job = one(documents, "DaskJob")
    rules = one(documents, "NetworkPolicy")["spec"]
    labels = job["metadata"]["labels"].items()
    own = {"podSelector": rules["podSelector"]}
    assert rules["podSelector"]["matchLabels"].items() <= labels
    assert all(labels <= pod["metadata"]["labels"].items() for _, pod in pods([job]))
    (among, operator), (out,) = rules["ingress"], rules["egress"]
    assert among == {"from": [own]}
    assert out == {"to": [own]}
    ports = {port["port"] for port in operator["ports"]}
    service = job["spec"]["cluster"]["spec"]["scheduler"]["service"]
    assert ports == {port["port"] for port in service["ports"]}
    assert service["selector"]["dask.org/cluster-name"] == job["metadata"]["name"]


def test_every_file_is_part_of_a_kustomization():
    used = set()
    for folder in manifests.kustomizations():
        found = yaml.safe_load((folder / "kustomization.yaml").read_text())
        used |= {(folder / name).resolve() for name in found.get("resources", [])}
    files = set(KUBERNETES.rglob("*.yaml")) - set(
        KUBERNETES.rglob("kustomization.yaml")
    )
    apart = {"secret.template.yaml", "prometheus-adapter.yaml"}
    assert {path.name for path in files if path not in used} == apart


# --- colours --------------------------------------------------------------------------


@pytest.mark.parametrize("colour", COLOURS)
def test_a_colour_is_apart_from_the_others(colours, colour):
    documents = colours[colour]
    deployment = one(documents, "Deployment", f"housing-api-{colour}")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels["housing.colour"] == colour
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        one(documents, "Service", f"housing-api-{colour}")["spec"]["selector"],
        one(documents, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        *(
            spread["labelSelector"]["matchLabels"]
            for spread in deployment["spec"]["template"]["spec"][
                "topologySpreadConstraints"
            ]
        ),
    ]
    assert selectors == [labels] * 5
    scaler = one(documents, "HorizontalPodAutoscaler")["spec"]
    assert scaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert {document["metadata"]["namespace"] for document in documents} == {"housing"}


def test_requests_go_to_one_colour(shared, colours):
    selector = one(shared, "Service", "housing-api")["spec"]["selector"]
    for colour in COLOURS:
        deployment = one(colours[colour], "Deployment")
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        chosen = selector.items() <= labels.items()
        assert chosen == (colour == "blue")


def test_services_name_ports_that_their_pods_have(everything):
    templates = [pod for documents in everything.values() for _, pod in pods(documents)]
    checked = 0
    for documents in everything.values():
        for service in (x for x in documents if x["kind"] == "Service"):
            wanted = service["spec"]["selector"].items()
            behind = [
                pod for pod in templates if wanted <= pod["metadata"]["labels"].items()
            ]
            assert behind, service["metadata"]["name"]
            for pod in behind:
                names = {
                    port["name"]
                    for container in pod["spec"]["containers"]
                    for port in container.get("ports", [])
                }
                ports = {port["targetPort"] for port in service["spec"]["ports"]}
                assert ports <= names
                checked += 1
    assert checked >= 5


# --- settings and images --------------------------------------------------------------


def settings_of(documents):
    return one(documents, "ConfigMap")["data"]


def template_of_secrets():
    return yaml.safe_load((KUBERNETES / "secret.template.yaml").read_text())


def test_the_config_map_holds_settings_and_no_secret(everything):
    for folder in ("base", "shared", "migrate"):
        found = settings_of(everything[f"kubernetes/{folder}"])
        assert found
        assert set(found) <= NAMES - SECRET


def test_the_secret_holds_nothing_but_names_of_secrets():
    found = template_of_secrets()
    assert found["kind"] == "Secret"
    assert set(found["stringData"]) <= SECRET
    assert set(found["stringData"].values()) == {""}, "a template, not a password"


def test_with_both_the_service_starts_in_production(everything):
    filled = {
        "JWT_SECRET": "0123456789abcdefghijklmnopqrstuvwxyz",
        "DATABASE_URL": "postgresql://db.example/housing",
        "REDIS_URL": "rediss://redis.example:6379/0",
    }
    assert set(filled) == set(template_of_secrets()["stringData"])
    image = {"BIND": "0.0.0.0:8000", "INSTANCE_DIR": INSTANCE}
    environ = settings_of(everything["kubernetes/base"]) | filled | image
    assert config.load(environ)["HOUSING_ENV"] == "production"


def test_every_variable_of_the_service_is_a_setting(templates):
    for name, pod in templates:
        for container in pod["spec"]["containers"]:
            if "housing_app" in container["image"]:
                assert {x["name"] for x in container.get("env", [])} <= NAMES, name


def test_what_a_pod_takes_its_settings_from_is_there(everything):
    checked = 0
    for folder, documents in everything.items():
        maps = {x["metadata"]["name"] for x in documents if x["kind"] == "ConfigMap"}
        for _, pod in pods(documents):
            for container in pod["spec"]["containers"]:
                for source in container.get("envFrom", []):
                    checked += 1
                    if "configMapRef" in source:
                        assert source["configMapRef"]["name"] in maps, folder
                    else:
                        secret = template_of_secrets()["metadata"]["name"]
                        assert source["secretRef"]["name"] == secret
    assert checked >= 12


def test_images_name_a_release(everything):
    for folder, documents in everything.items():
        if folder == "kubernetes/base":
            continue  # the overlays name them
        for _, pod in pods(documents):
            for key in ("containers", "initContainers"):
                for container in pod["spec"].get(key, []):
                    image = container["image"]
                    assert re.fullmatch(
                        r"(nginx|housing_app(_train|_dask)?):\d+\.\d+\.\d+(-alpine)?",
                        image,
                    ), image


def test_a_release_is_named_around_an_overlay(tmp_path):
    """As docs/deploy.md shows, and scripts do: no file of the repository changes."""
    made = {
        "resources": [os.path.relpath(KUBERNETES / "overlays" / "green", tmp_path)],
        "images": [
            {
                "name": "housing_app",
                "newName": "registry.example/housing_app",
                "digest": "sha256:" + 64 * "0",
            }
        ],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(made))
    deployment = one(manifests.built(tmp_path), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"registry.example/housing_app@sha256:{64 * '0'}"


# --- pods -----------------------------------------------------------------------------


def test_pods_are_confined(templates):
    for name, pod in templates:
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == UID
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            resources = container["resources"]
            assert {"cpu", "memory", "ephemeral-storage"} <= set(resources["requests"])
            assert {"memory", "ephemeral-storage"} <= set(resources["limits"])


def test_whatever_a_container_writes_to_is_a_volume(templates):
    for name, pod in templates:
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        mounted = set()
        for container in pod["spec"]["containers"]:
            mounts = {
                mount["mountPath"]: mount for mount in container.get("volumeMounts", [])
            }
            mounted |= {mount["name"] for mount in mounts.values()}
            assert mounted <= set(volumes), name
            if "housing_app" in container["image"]:
                wanted = {INSTANCE, "/tmp"}
                wanted |= {"/dev/shm"} if container["name"] == "api" else set()
            else:
                wanted = {"/var/run/housing"}
            assert wanted <= set(mounts), name
            for path in wanted:
                assert not mounts[path].get("readOnly"), (name, path)
                assert volumes[mounts[path]["name"]]["emptyDir"]["sizeLimit"]
        assert mounted == set(volumes), f"{name}: a volume that nobody mounts"


def test_the_spool_and_a_second_set_of_models_have_room(colours):
    deployment = one(colours["blue"], "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    room = mebibytes(volumes["instance"]["emptyDir"]["sizeLimit"])
    assert room > int(settings_of(colours["blue"])["SPOOL_MAX_MB"]) * 1.5
    resources = spec["containers"][0]["resources"]
    assert room <= mebibytes(resources["limits"]["ephemeral-storage"])
    workers = int(settings_of(colours["blue"])["WORKERS"])
    measured = (workers + 1) * WORKER_MIB
    # Else the autoscaler would add pods for ever.
    assert measured < 0.8 * mebibytes(resources["requests"]["memory"])
    assert 3 * measured < mebibytes(resources["limits"]["memory"])


def test_probes_ask_routes_of_the_app_by_ports_of_the_container(templates, app):
    routes = {rule.rule for rule in app.url_map.iter_rules()}
    asked = {}
    for name, pod in templates:
        for container in pod["spec"]["containers"]:
            ports = {port["name"] for port in container.get("ports", [])}
            for kind in ("startup", "liveness", "readiness"):
                if probe := container.get(f"{kind}Probe"):
                    way = probe.get("httpGet") or probe["tcpSocket"]
                    assert way["port"] in ports, name
                    if "httpGet" in probe:
                        assert way["path"] in routes, name
                        asked[container["name"], kind] = way["path"]
    assert asked == {
        ("api", "startup"): "/health/startup",
        ("api", "liveness"): "/health/live",
        ("api", "readiness"): "/health/ready",
        ("nginx", "readiness"): "/health/live",
    }


def test_a_release_takes_no_pod_away_before_another_is_ready(colours):
    for documents in colours.values():
        spec = one(documents, "Deployment")["spec"]
        assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        assert "replicas" not in spec, "the autoscaler's to say"
        pod = spec["template"]["spec"]
        (container,) = pod["containers"]
        word, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
        assert word == "sleep"
        assert int(seconds) >= 10
        # And time to drain the journal.
        needed = int(seconds) + GRACEFUL + 20
        assert pod["terminationGracePeriodSeconds"] >= needed


# --- scaling and watching -------------------------------------------------------------


def adapter():
    return yaml.safe_load((KUBERNETES / "prometheus-adapter.yaml").read_text())


def test_the_autoscaler_looks_at_four_figures(colours):
    spec = one(colours["blue"], "HorizontalPodAutoscaler")["spec"]
    resource = {
        x["resource"]["name"]: x["resource"]["target"]["averageUtilization"]
        for x in spec["metrics"]
        if x["type"] == "Resource"
    }
    assert resource == {"cpu": 70, "memory": 80}
    own = {
        x["pods"]["metric"]["name"]: x["pods"]["target"]["averageValue"]
        for x in spec["metrics"]
        if x["type"] == "Pods"
    }
    assert own == {
        "housing_requests_per_second": "100",
        "housing_request_p95_seconds": "500m",
    }
    assert set(own) == {rule["name"]["as"] for rule in adapter()}
    assert spec["minReplicas"] == 3
    assert one(colours["canary"], "HorizontalPodAutoscaler")["spec"]["minReplicas"] == 1


def test_the_adapters_series_are_those_of_the_app(client):
    client.get("/v1/info")
    text = client.get("/metrics").text
    for rule in adapter():
        (series,) = re.findall(r"^\w+", rule["seriesQuery"])
        assert re.search(rf'(?m)^{series}{{.*route="/v1/info"', text), series
        assert 'route=~"/v1/.*"' in rule["metricsQuery"]


def test_every_pod_is_scraped_once(shared, colours, app):
    spec = one(shared, "ServiceMonitor")["spec"]
    (endpoint,) = spec["endpoints"]
    assert endpoint["path"] in {rule.rule for rule in app.url_map.iter_rules()}
    wanted = spec["selector"]["matchLabels"].items()
    (exists,) = spec["selector"]["matchExpressions"]
    assert exists == {"key": "housing.colour", "operator": "Exists"}
    services = [one(documents, "Service") for documents in [*colours.values(), shared]]
    chosen = [
        service["metadata"]["name"]
        for service in services
        if wanted <= service["metadata"]["labels"].items()
        and exists["key"] in service["metadata"]["labels"]
    ]
    assert chosen == [f"housing-api-{colour}" for colour in COLOURS]
    for service in services:
        assert endpoint["port"] in {x["name"] for x in service["spec"]["ports"]}


def test_the_alerts_see_what_the_monitor_scrapes(shared):
    (endpoint,) = one(shared, "ServiceMonitor")["spec"]["endpoints"]
    asked = yaml.safe_load((manifests.DEPLOY / "prometheus/prometheus.yml").read_text())
    name = asked["scrape_configs"][0]["job_name"]
    assert {"targetLabel": "job", "replacement": name} in endpoint["relabelings"]


def test_the_operator_gets_every_rule_and_alert():
    script = manifests.DEPLOY / "prometheus" / "operator.sh"
    done = subprocess.run(
        [script], capture_output=True, text=True, timeout=30, check=True
    )
    documents = list(yaml.safe_load_all(done.stdout))
    assert [document["metadata"]["name"] for document in documents] == [
        "housing-recording",
        "housing-alerts",
    ]
    for document in documents:
        manifests.check(document)
        name = document["metadata"]["name"].removeprefix("housing-")
        written = yaml.safe_load((script.parent / f"{name}.yml").read_text())
        assert document["spec"] == written
        assert sum(len(group["rules"]) for group in written["groups"]) > 5


def test_grafana_s_sidecar_finds_the_dashboard():
    (made,) = manifests.built(manifests.DEPLOY / "grafana")
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
    (name,) = made["data"]
    dashboard = manifests.DEPLOY / "grafana" / "dashboards" / name
    assert made["data"][name] == dashboard.read_text("utf-8")


def test_jobs_run_commands_that_there_are(templates, app):
    checked = set()
    for name, pod in templates:
        (container, *_) = pod["spec"]["containers"]
        words = container.get("command", [])
        if words[:1] != ["flask"]:
            continue
        command, rest = app.cli, words[1:]
        while hasattr(command, "commands"):
            command = command.get_command(None, rest.pop(0))
            assert command is not None, words
        known = {text for parameter in command.params for text in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= known, words
        checked.add(name)
    assert checked == {
        *("housing-drift", "housing-backup", "housing-retrain", "housing-migrate"),
        "housing-score",
    }


def test_jobs_never_overlap_and_retraining_waits_for_people(shared):
    jobs = [document for document in shared if document["kind"] == "CronJob"]
    assert len(jobs) == 3
    for job in jobs:
        assert job["spec"]["concurrencyPolicy"] == "Forbid"
        assert job["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"]
    assert one(shared, "CronJob", "housing-retrain")["spec"]["suspend"] is True


# --- the network ----------------------------------------------------------------------


def test_nothing_passes_that_is_not_named(shared):
    closed = one(shared, "NetworkPolicy", "housing-nothing-else")["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    spec = one(shared, "NetworkPolicy", "housing-api")["spec"]
    (rule,) = spec["ingress"]
    assert rule["ports"] == [{"port": 8000, "protocol": "TCP"}]
    assert len(rule["from"]) == 3
    assert {} not in rule["from"], "from everywhere"
    stores = one(shared, "NetworkPolicy", "housing-stores")["spec"]
    (apart,) = stores["podSelector"]["matchExpressions"]
    assert apart["operator"] == "NotIn"
    assert apart["values"] == ["housing-nginx"]
