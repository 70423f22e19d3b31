"""The configuration: what render.py makes of it, nginx -t, gixy."""

import re
import subprocess
import sys

import pytest

from housing_app.config import ROOT, SETTINGS
from housing_app.errors import PROBLEMS
from tests.deploy.conftest import program

NGINX = ROOT / "deploy" / "nginx"
GUNICORN = (ROOT / "gunicorn.conf.py").read_text("utf-8")
MODES = ["http", "tls", "redirect"]


def gunicorns(name):
    return int(re.search(rf"^{name} = (\d+)$", GUNICORN, re.M)[1])


@pytest.fixture(params=MODES)
def conf(request, renderer, tmp_path, certificate):
    """A whole configuration of one mode."""
    variables = {"MODE": request.param, "RUN_DIR": str(tmp_path)} | certificate
    return renderer.render(tmp_path, variables)


@pytest.mark.usefixtures("nginx_program")
def test_nginx_finds_no_fault(conf, nginx_program):
    done = subprocess.run(
        [nginx_program, "-t", "-e", "stderr", "-c", str(conf)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if line]
    assert all(re.search(r"syntax is ok|test is successful", line) for line in said)


def gixy(conf):
    done = subprocess.run(
        [sys.executable, "-m", "gixy", str(conf)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_gixy_finds_no_fault(conf):
    code, said = gixy(conf)
    assert code == 0, said
    assert "No issues found" in said


def test_gixy_would_find_a_fault(renderer, tmp_path):
    conf = renderer.render(tmp_path, {})
    app = tmp_path / "app.conf"
    app.write_text(app.read_text().replace("Host $host;", "Host $http_host;"))
    code, said = gixy(conf)
    assert code != 0
    assert "host_spoofing" in said


def test_every_variable_of_the_templates_is_in_the_table_and_used(renderer):
    used = set()
    for path in NGINX.glob("*.conf"):
        used |= set(re.findall(r"\$\{([^}]*)\}", path.read_text("utf-8")))
    assert used - {"…"} == {variable.name for variable in renderer.VARIABLES}


def test_every_variable_is_in_the_document(renderer):
    text = (ROOT / "docs" / "nginx.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `(.*?)` \| (.*?) \|$", text, re.M)
    assert rows == [(v.name, v.default, v.help) for v in renderer.VARIABLES]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODE", "https"),
        ("HTTP_LISTEN", "80; root /"),
        ("SERVER_NAME", "a;\nlocation /x {}"),
        ("UPSTREAMS", "127.0.0.1:8000; server 10.0.0.1:80"),
        ("UPSTREAMS", "127.0.0.1"),
        ("LOAD_BALANCERS", "10.0.0.1"),
        ("LOAD_BALANCERS", "10.0.0.0/8; allow all"),
        ("TLS_KEY", "key.pem"),
        ("MAX_CONTENT_LENGTH", "2m"),
        ("ACCESS_LOG", "/a b"),
    ],
)
def test_a_bad_value_is_refused_and_named(renderer, tmp_path, name, value):
    with pytest.raises(ValueError, match=f"^{name}: "):
        renderer.render(tmp_path, {name: value})
    assert list(tmp_path.iterdir()) == []


def test_as_a_command_it_writes_the_files_and_prints_where(tmp_path):
    def run(**environ):
        return subprocess.run(
            [sys.executable, str(NGINX / "render.py"), str(tmp_path)],
            capture_output=True,
            text=True,
            env=environ,
            timeout=30,
            check=False,
        )

    refused = run(MODE="ftp", RATE="many")
    assert refused.returncode == 1
    assert refused.stderr.startswith("render.py: MODE: 'ftp'")
    assert "RATE: 'many'" in refused.stderr
    assert run().stdout == f"{tmp_path / 'nginx.conf'}\n"


# --- the limits are the app's ---------------------------------------------------------


def test_a_body_may_be_as_large_as_the_app_allows(renderer):
    (setting,) = (s for s in SETTINGS if s.name == "MAX_CONTENT_LENGTH")
    (variable,) = (v for v in renderer.VARIABLES if v.name == "MAX_CONTENT_LENGTH")
    assert variable.default == setting.default


def test_a_request_line_may_be_as_long_as_gunicorn_allows():
    longest = gunicorns("limit_request_line")
    assert f"{{{longest + 1}}}" in (NGINX / "maps.conf").read_text("utf-8")
    assert f"have {longest} characters" in (NGINX / "problems.conf").read_text("utf-8")


def test_a_header_field_may_be_as_long_as_gunicorn_allows():
    text = (NGINX / "nginx.conf").read_text("utf-8")
    size = int(re.search(r"large_client_header_buffers 4 (\d+)k;", text)[1])
    assert 0 <= size * 1024 - gunicorns("limit_request_field_size") <= 2


def test_nginx_waits_longer_than_gunicorn_lets_a_worker_work(renderer):
    (variable,) = (v for v in renderer.VARIABLES if v.name == "READ_TIMEOUT")
    assert int(variable.default.removesuffix("s")) > gunicorns("timeout")


# --- what was decided -----------------------------------------------------------------


def rendered(renderer, tmp_path, **variables):
    renderer.render(tmp_path, variables)
    return "\n".join(
        re.sub(r"(?m)^\s*#.*$", "", path.read_text("utf-8"))
        for path in tmp_path.glob("*.conf")
    )


def test_every_upstream_stays_in_use_and_no_post_is_sent_twice(renderer, tmp_path):
    text = rendered(renderer, tmp_path, UPSTREAMS="10.0.0.1:8000 10.0.0.2:8000")
    assert re.findall(r"server 10\S+ .*;", text) == [
        "server 10.0.0.1:8000 max_fails=0;",
        "server 10.0.0.2:8000 max_fails=0;",
    ]
    assert "least_conn;" in text
    assert "non_idempotent" not in text


def test_problem_types_and_titles_are_the_apps():
    text = (NGINX / "problems.conf").read_text("utf-8")

    def table(variable):
        block = re.search(rf"map \$status \${variable} {{(.*?)\n}}", text, re.S)[1]
        return dict(re.findall(r"(\d{3}) \"?(.*?)\"?;", block))

    types, titles = table("problem_type"), table("problem_title")
    assert types, "no types"
    for status, name in types.items():
        kind = PROBLEMS[name.removeprefix("/problems/")]
        assert (kind.status, kind.title) == (int(status), titles[status])


@pytest.mark.parametrize(
    ("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)]
)
def test_without_nginx_ci_fails_and_others_skip(monkeypatch, ci, outcome):
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="no-such-program"):
        program("no-such-program")
