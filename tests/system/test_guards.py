"""What only real sockets show: who may bind where, the banner, who is believed."""

import time

import requests

SECRET = "T9v4fWb2kQz7Lx0RmYpJ8sDcH3nGuEa6"  # pragma: allowlist secret


def test_without_auth_gunicorn_binds_to_the_loopback_only(run):
    words = ("-m", "gunicorn", "--config", "gunicorn.conf.py")
    for by_setting, more in (
        ({"BIND": "0.0.0.0:0"}, ()),
        ({"BIND": "0.0.0.0:8199"}, ()),
        ({}, ("--bind", "0.0.0.0:8199")),
        ({}, ("--bind", "[::]:8199")),
    ):
        done = run(*words, *more, **by_setting)
        assert done.returncode != 0
        last = (done.stdout + done.stderr).strip().splitlines()[-1]
        assert last.startswith("housing_app cannot start: ")


def test_production_lists_what_it_lacks_in_its_last_line(run):
    done = run(
        "-m", "gunicorn", "--config", "gunicorn.conf.py", HOUSING_ENV="production"
    )
    assert done.returncode != 0
    last = (done.stdout + done.stderr).strip().splitlines()[-1]
    for name in ("AUTH=jwt", "JWT_SECRET", "REDIS_URL", "DATABASE_URL"):
        assert name in last


def test_the_banner_names_no_software(server):
    assert server.get("/health/live").headers["Server"] == "housing_app"


def test_a_local_client_is_not_believed_to_speak_https(server):
    forged = {"X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "on"}
    answer = server.get("/health/live", headers=forged)
    assert "Strict-Transport-Security" not in answer.headers


def test_secrets_are_in_no_line_of_a_servers_output(start, flask):
    settings = {
        "AUTH": "jwt",
        "JWT_SECRET": SECRET,
        "WORKERS": "1",
        "LOG_LEVEL": "debug",
    }
    token = flask(
        *("token", "issue", "--subject", "x", "--scope", "predict"), JWT_SECRET=SECRET
    ).stdout.strip()
    process, running = start(**settings)
    try:
        deadline = time.monotonic() + 60
        while True:
            assert time.monotonic() < deadline, running.output.read_text()
            try:
                running.get("/health/live")
                break
            except requests.ConnectionError:
                time.sleep(0.05)
        for sent, status in ((token, 422), (token[:-2], 401)):
            answer = running.post({}, Authorization=f"Bearer {sent}")
            assert answer.status_code == status
    finally:
        process.terminate()
        process.wait(timeout=60)
    text = running.output.read_text()
    for secret in (SECRET, *token.split(".")[1:]):
        assert secret not in text
