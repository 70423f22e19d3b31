"""deploy/cloudformation/: what cfn-lint says, and what must stay so."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from housing_app import config
from housing_app.config import ROOT, SETTINGS
from tests.deploy.conftest import program
from tests.deploy.image import parse

TEMPLATE = ROOT / "deploy" / "cloudformation" / "housing.yaml"
DOCKERFILE = parse((ROOT / "Dockerfile").read_text("utf-8"))


class Loader(yaml.SafeLoader):
    """Read !Ref, !Sub … as what they name."""


Loader.add_multi_constructor(
    "!",
    lambda loader, tag, node: (
        loader.construct_scalar(node)
        if isinstance(node, yaml.ScalarNode)
        else loader.construct_sequence(node, deep=True)
    ),
)


@pytest.fixture(scope="module")
def resources():
    found = yaml.load(TEMPLATE.read_text(), Loader)["Resources"]
    assert len(found) >= 39
    return found


@pytest.fixture(scope="module")
def containers(resources):
    return {
        container["Name"]: container
        for name in ("ServiceDefinition", "JobDefinition")
        for container in resources[name]["Properties"]["ContainerDefinitions"]
    }


def environ(container):
    return {one["Name"]: one["Value"] for one in container["Environment"]}


def lint(path):
    return subprocess.run(
        [
            program("cfn-lint", first=Path(sys.executable).parent),
            *("--regions", "eu-central-1", "us-east-1", "--", str(path)),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_cfn_lint_finds_no_fault():
    done = lint(TEMPLATE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip() == ""


def test_cfn_lint_would_find_faults(tmp_path):
    text = TEMPLATE.read_text()
    for old, new in {
        "MultiAZ: true": "MultiAz: true",
        "!Ref StoreGroup": "!Ref Storegroup",
        "NetworkMode: awsvpc": "NetworkMode: bridged",
    }.items():
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "housing.yaml"
    path.write_text(text)
    done = lint(path)
    assert done.returncode != 0
    for word in ("MultiAz", "Storegroup", "bridged"):
        assert word in done.stdout


def test_it_uses_no_yaml_that_cloudformation_does_not_read():
    text = re.sub(r"#.*", "", TEMPLATE.read_text())
    assert not re.search(r"(?m)[:-] [&*][a-z]|<<:", text), "aliases and merges"


def test_the_service_starts_with_these_settings(containers):
    given = environ(containers["api"]) | {"MODEL_STORE_URL": "s3://models/models"}
    secrets = {one["Name"] for one in containers["api"]["Secrets"]}
    others = {"TMPDIR", "AWS_DEFAULT_REGION"}
    assert set(given) - others <= {setting.name for setting in SETTINGS}
    assert secrets == {"JWT_SECRET", "PGPASSWORD"}
    settings = {name: text for name, text in given.items() if name not in others}
    loaded = config.load(settings | {"JWT_SECRET": "abcdefghijklmnopqrstuvwxyz012345"})
    assert loaded["HOUSING_ENV"] == "production"
    assert loaded["BIND"].startswith("127.0.0.1:"), "nginx alone reaches it"
    assert environ(containers["job"]) == environ(containers["api"])
    assert containers["job"]["Secrets"] == containers["api"]["Secrets"]


def test_the_variables_of_nginx_are_those_of_its_templates(containers, renderer):
    given = environ(containers["configuration"])
    assert set(given) <= {variable.name for variable in renderer.VARIABLES}
    put = renderer.values(given | {"LOAD_BALANCERS": "10.0.0.0/16"})
    assert put["UPSTREAMS"] == environ(containers["api"])["BIND"]


def test_roots_are_read_only_and_the_spool_is_a_volume(containers, resources):
    for name in ("configuration", "nginx", "api"):
        assert containers[name]["ReadonlyRootFilesystem"] is True
    (folder,) = (x.text for x in DOCKERFILE if x.name == "VOLUME")
    (mount,) = containers["api"]["MountPoints"]
    assert mount["ContainerPath"] == folder
    volumes = resources["ServiceDefinition"]["Properties"]["Volumes"]
    assert {"Name": mount["SourceVolume"]} in volumes


def test_its_health_check_is_the_images(containers):
    (step,) = (x for x in DOCKERFILE if x.name == "HEALTHCHECK")
    image = json.loads(step.text[step.text.index("[") :])
    assert containers["api"]["HealthCheck"]["Command"] == ["CMD", *image]


def test_three_tasks_and_no_port_but_nginxs(containers, resources, app):
    service = resources["Service"]["Properties"]
    assert service["DesiredCount"] == 3
    assert service["DeploymentConfiguration"]["MinimumHealthyPercent"] == 100
    assert {name for name, x in containers.items() if "PortMappings" in x} == {"nginx"}
    path = resources["Targets"]["Properties"]["HealthCheckPath"]
    assert path in {rule.rule for rule in app.url_map.iter_rules()}


def test_what_holds_records_is_encrypted_private_and_outlives_the_stack(resources):
    database = resources["Database"]
    assert database["DeletionPolicy"] == "Snapshot"
    for key in ("StorageEncrypted", "MultiAZ", "DeletionProtection"):
        assert database["Properties"][key] is True
    assert database["Properties"]["PubliclyAccessible"] is False
    for name in ("Models", "Backups"):
        assert resources[name]["DeletionPolicy"] == "Retain"
        blocked = resources[name]["Properties"]["PublicAccessBlockConfiguration"]
        assert len(blocked) == 4
        assert set(blocked.values()) == {True}
    text = TEMPLATE.read_text()
    assert not re.search(r"(?i)password: *['\"]?[\w!]+['\"]? *$", text, re.M)


def test_open_to_the_world_is_the_load_balancer_alone(resources):
    for name, resource in resources.items():
        if resource["Type"] == "AWS::EC2::SecurityGroup":
            rules = resource["Properties"]["SecurityGroupIngress"]
            opened = any("CidrIp" in rule for rule in rules)
            assert opened == (name == "LoadBalancerGroup")


def test_jobs_run_commands_that_there_are(resources, app):
    schedules = [
        resource["Properties"]["Target"]["Input"]
        for resource in resources.values()
        if resource["Type"] == "AWS::Scheduler::Schedule"
    ]
    assert len(schedules) == 2
    for text in schedules:
        (override,) = json.loads(text)["containerOverrides"]
        assert override["name"] == "job"
        command, rest = app.cli, override["command"][1:]
        while hasattr(command, "commands"):
            command = command.get_command(None, rest.pop(0))
            assert command is not None, text
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= known


def test_every_alarm_tells_somebody(resources):
    alarms = [x for x in resources.values() if x["Type"] == "AWS::CloudWatch::Alarm"]
    assert len(alarms) == 6
    for alarm in alarms:
        assert alarm["Properties"]["AlarmActions"] == ["Alarms"]
        assert alarm["Properties"]["AlarmDescription"]
