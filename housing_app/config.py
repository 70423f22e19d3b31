"""The settings: one table, read from the environment and nowhere else."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

ROOT = Path(__file__).resolve().parent.parent
_LAST_PORT = 65_535


class ConfigError(click.ClickException):
    """Stop the boot over a bad setting; the text names it.

    A ClickException, so that every `flask` command shows it as one line.
    """


class Setting(NamedTuple):
    """Describe one setting; `cast` raises ValueError with what would be right."""

    name: str
    cast: Callable[[str], Any]
    default: str
    help: str
    secret: bool = False


def _one_of(*choices: str) -> Callable[[str], str]:
    def cast(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return text.lower()

    return cast


def _whole(low: int, high: int) -> Callable[[str], int]:
    def cast(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return cast


def _flag(text: str) -> bool:
    if text.lower() not in {"true", "false", "1", "0", "yes", "no"}:
        raise ValueError("true or false")
    return text.lower() in {"true", "1", "yes"}


def _path(text: str) -> Path:
    return ROOT / text  # an absolute path stays as it is


def _rate_limit(text: str) -> str:
    if text.lower() == "off":
        return "off"
    if not re.fullmatch(r"[1-9][0-9]{0,8}/(second|minute|hour|day)", text):
        raise ValueError("off, or a count per second, minute, hour or day (100/minute)")
    return text


def _address(text: str) -> str:
    found = re.fullmatch(r"(?:\[[0-9a-fA-F:.]+\]|[\w.-]+):([0-9]{1,5})", text)
    if text and not (found and 1 <= int(found[1]) <= _LAST_PORT):
        raise ValueError("an address and port, such as 127.0.0.1:8000")
    return text


SETTINGS = (
    Setting(
        "HOUSING_ENV",
        _one_of("development", "production"),
        "development",
        "Profile; production refuses unsafe settings.",
    ),
    Setting(
        "MODEL_DIR",
        _path,
        "model",
        "Directory of serving.json and the model artifacts.",
    ),
    Setting(
        "DEMOGRAPHICS_CSV",
        _path,
        "data/zipcode_demographics.csv",
        "CSV with a zipcode column and the columns the models name.",
    ),
    Setting(
        "RATE_LIMIT",
        _rate_limit,
        "100/minute",
        "Requests a client address may make of each worker; off for none.",
    ),
    Setting(
        "MAX_RECORDS",
        _whole(1, 100_000),
        "1000",
        "Homes allowed in one request.",
    ),
    Setting(
        "MAX_CONTENT_LENGTH",
        _whole(1_000, 1_000_000_000),
        "2000000",
        "Bytes allowed in a request body.",
    ),
    Setting(
        "REFUSE_OUTSIDE_AREA",
        _flag,
        "false",
        "Answer 422, not a doubtful value, for zipcodes outside the training area.",
    ),
    Setting(
        "LOG_LEVEL",
        _one_of("debug", "info", "warning", "error"),
        "info",
        "Least severe log line to write.",
    ),
    Setting(
        "PORT",
        _whole(1, _LAST_PORT),
        "8000",
        "Port of the server on 127.0.0.1.",
    ),
    Setting(
        "BIND",
        _address,
        "",
        "Address and port instead, such as 0.0.0.0:8000 in a container.",
    ),
    Setting(
        "WORKERS",
        _whole(1, 256),
        "2",
        "Worker processes; one a core is a good start.",
    ),
    Setting(
        "PROMETHEUS_MULTIPROC_DIR",
        str,
        "",
        "Directory where workers count for /metrics, empty at start; `make run` sets "
        "it. Read by prometheus-client itself.",
    ),
)


def load(
    environ: Mapping[str, str], settings: Sequence[Setting] = SETTINGS
) -> dict[str, Any]:
    """Return every setting's value; an empty variable counts as unset.

    Raises ConfigError that names every bad setting at once.
    """
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for setting in settings:
        text = environ.get(setting.name, "").strip() or setting.default
        try:
            values[setting.name] = setting.cast(text)
        except ValueError as error:
            shown = "its value" if setting.secret else repr(text)
            wrong.append(f"{setting.name}: {shown} is not {error}")
    if values.get("HOUSING_ENV") == "production" and values.get("RATE_LIMIT") == "off":
        wrong.append("RATE_LIMIT: off is not allowed with HOUSING_ENV=production")
    if wrong:
        raise ConfigError("; ".join(wrong))
    if not values.get("BIND") and "PORT" in values:
        values["BIND"] = f"127.0.0.1:{values['PORT']}"
    return values


def masked(
    values: Mapping[str, Any], settings: Sequence[Setting] = SETTINGS
) -> dict[str, str]:
    """Return the settings as text, secrets hidden."""
    return {
        s.name: "********" if s.secret and values[s.name] else str(values[s.name])
        for s in settings
    }
