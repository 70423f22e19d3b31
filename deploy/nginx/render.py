"""Write nginx's configuration: `python deploy/nginx/render.py DIRECTORY`.

Values come from the environment; the table below has their defaults. Then
`nginx -c DIRECTORY/nginx.conf`.
"""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
SERVER = "server {}{} max_fails=0;"


class Variable(NamedTuple):
    """Describe one variable; a value must match `pattern` as a whole."""

    name: str
    default: str
    pattern: str
    help: str


_PATH = r"/[\w./-]+"
_TIME = r"[1-9][0-9]*(ms|s|m)"
_NETWORK = r"[0-9a-f.:]+/[0-9]{1,3}"
_UPSTREAM = r"[\w.-]+:[0-9]{1,5}(?:=[1-9][0-9]{0,2})?"
_LISTEN = r"(?:(?:[0-9.]+|\[[0-9a-f:]+\]):)?[0-9]{1,5}"

VARIABLES = (
    Variable(
        "MODE",
        "http",
        "http|tls|redirect",
        "`http`, `tls`, or `redirect`: TLS, and a plain port that leads there",
    ),
    Variable("HTTP_LISTEN", "8080", _LISTEN, "port, or address and port, without TLS"),
    Variable("TLS_LISTEN", "8443", _LISTEN, "port, or address and port, of TLS"),
    Variable("TLS_CERTIFICATE", "/etc/housing/tls.crt", _PATH, "certificate chain"),
    Variable("TLS_KEY", "/etc/housing/tls.key", _PATH, "its private key"),
    Variable(
        "SERVER_NAME", "_", r"_|[\w.-]+( [\w.-]+)*", "host names; `_` for whichever"
    ),
    Variable(
        "UPSTREAMS",
        "127.0.0.1:8000",
        rf"{_UPSTREAM}( {_UPSTREAM})*",
        "gunicorn's addresses and ports, separated by spaces; `=90` after one: weight",
    ),
    Variable(
        "BALANCE",
        "least_conn",
        "least_conn|random",
        "how one is chosen; weights are shares of the requests with `random` alone",
    ),
    Variable(
        "LOAD_BALANCERS",
        "none",
        rf"none|{_NETWORK}( {_NETWORK})*",
        "networks of the load balancer in front, whose X-Forwarded-For is believed",
    ),
    Variable(
        "MAX_CONTENT_LENGTH",
        "2000000",
        r"[1-9][0-9]{3,9}",
        "bytes allowed in a body; as the app's setting",
    ),
    Variable("RATE", "20r/s", r"[1-9][0-9]*r/[sm]", "requests of one address"),
    Variable("BURST", "100", r"[1-9][0-9]*", "requests an address may be ahead"),
    Variable("CONNECTIONS", "50", r"[1-9][0-9]*", "requests of one address at a time"),
    Variable(
        "CLIENT_TIMEOUT",
        "10s",
        _TIME,
        "for the whole header, between two reads of a body or two writes",
    ),
    Variable("CONNECT_TIMEOUT", "1s", _TIME, "to reach gunicorn"),
    Variable(
        "READ_TIMEOUT", "35s", _TIME, "for an answer; more than gunicorn's `timeout`"
    ),
    Variable(
        "RUN_DIR",
        "/tmp/housing-nginx",  # noqa: S108  # nosec B108 # a tmpfs in a container
        _PATH,
        "an existing directory: pid, large bodies",
    ),
    Variable("ACCESS_LOG", "/dev/stdout", _PATH, "a file for the log of requests"),
    Variable(
        "ERROR_LOG_LEVEL",
        "crit",
        "debug|info|notice|warn|error|crit|alert",
        "below `crit` lines may hold queries",
    ),
)


def values(environ: Mapping[str, str]) -> dict[str, str]:
    """Return every variable's value. Raises ValueError that names every bad one."""
    found = {v.name: environ.get(v.name, "").strip() or v.default for v in VARIABLES}
    wrong = [
        f"{v.name}: {found[v.name]!r} is not: {v.help}"
        for v in VARIABLES
        if not re.fullmatch(v.pattern, found[v.name], re.ASCII)
    ]
    if wrong:
        raise ValueError("; ".join(wrong))
    return found


def render(directory: Path, environ: Mapping[str, str]) -> Path:
    """Write the files into an existing directory and return nginx.conf's path."""
    put = values(environ)
    put["LOAD_BALANCERS"] = _real_ip(put["LOAD_BALANCERS"])
    put["UPSTREAMS"] = "\n        ".join(map(_server, put["UPSTREAMS"].split()))
    for source in sorted(HERE.glob("*.conf")):
        text = source.read_text("utf-8")
        text = re.sub(r"\$\{([A-Z_]+)\}", lambda found: put[found[1]], text)
        (directory / source.name).write_text(text, "utf-8")
    return directory / "nginx.conf"


def _real_ip(networks: str) -> str:
    """Return the directives that take the client's address from a load balancer."""
    if networks == "none":
        return ""
    believed = [f"set_real_ip_from {network};" for network in networks.split()]
    return "\n    ".join([*believed, "real_ip_header X-Forwarded-For;"])


def _server(upstream: str) -> str:
    address, _, weight = upstream.partition("=")
    return SERVER.format(address, f" weight={weight}" if weight else "")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip() if __doc__ else None)
    try:
        print(render(Path(sys.argv[1]), os.environ))
    except (ValueError, OSError) as error:
        sys.exit(f"render.py: {error}")
