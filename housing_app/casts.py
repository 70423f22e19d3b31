"""From a variable's text to a setting's value, or ValueError with what is right."""

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import click

ROOT = Path(__file__).resolve().parent.parent
LAST_PORT = 65_535
SECRET_BYTES = 32  # RFC 7518: a key as long as the hash
SECRET_CHARACTERS = 10  # fewer different ones were typed, not drawn


class ConfigError(click.ClickException):
    """Stop the boot over a bad setting; the text names it.

    A ClickException, so that every `flask` command shows it as one line.
    """


def one_of(*choices: str) -> Callable[[str], str]:
    """Take one of some words."""

    def cast(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return text.lower()

    return cast


def whole(low: int, high: int) -> Callable[[str], int]:
    """Take a whole number between two others."""

    def cast(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return cast


def flag(text: str) -> bool:
    """Take true or false."""
    if text.lower() not in {"true", "false", "1", "0", "yes", "no"}:
        raise ValueError("true or false")
    return text.lower() in {"true", "1", "yes"}


def path(text: str) -> Path:
    """Take a path, relative to the repository."""
    return ROOT / text  # an absolute path stays as it is


def rate(text: str) -> str:
    """Take a rate such as 100/minute."""
    if not re.fullmatch(r"[1-9][0-9]{0,8}/(second|minute|hour|day)", text):
        raise ValueError("a count per second, minute, hour or day (100/minute)")
    return text


def rate_limit(text: str) -> str:
    """Take a rate, or off."""
    if text.lower() == "off":
        return "off"
    try:
        return rate(text)
    except ValueError as error:
        raise ValueError(f"off, or {error}") from None


def address(text: str) -> str:
    """Take an address with a port, or nothing."""
    found = re.fullmatch(r"(?:\[[0-9a-fA-F:.]+\]|[\w.-]+):([0-9]{1,5})", text)
    if text and not (found and 1 <= int(found[1]) <= LAST_PORT):
        raise ValueError("an address and port, such as 127.0.0.1:8000")
    return text


def is_loopback(bind: str) -> bool:
    """Say whether only this machine reaches an address (host:port)."""
    host = bind.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def optional_path(text: str) -> Path | None:
    """Take a path, or nothing."""
    return path(text) if text else None


def url(*schemes: str) -> Callable[[str], str]:
    """Take a URL with one of some schemes, or nothing."""

    def cast(text: str) -> str:
        scheme, _, rest = text.partition("://")
        if text and (scheme not in schemes or not re.fullmatch(r"\S+", rest)):
            raise ValueError("a URL that begins with " + "://, ".join(schemes) + "://")
        return text

    return cast


def headers(text: str) -> dict[str, str]:
    """Take headers as `name=value`, separated by commas; values may be %-encoded."""
    found: dict[str, str] = {}
    for part in text.split(",") if text else []:
        pair = re.fullmatch(r"\s*([A-Za-z0-9_-]+)\s*=(.*)", part)
        if not pair or not unquote(pair[2]).isprintable():
            raise ValueError("name=value pairs separated by commas")
        found[pair[1].lower()] = unquote(pair[2]).strip()
    return found


def share(text: str) -> float:
    """Take a share from 0 to 1."""
    if not re.fullmatch(r"0(\.[0-9]{1,9})?|1(\.0{1,9})?", text):
        raise ValueError("a share from 0 to 1, such as 0.1")
    return float(text)


def dsn(text: str) -> str:
    """Take what Sentry calls a DSN, or nothing."""
    if text and not re.fullmatch(
        r"https?://\w+(:\w+)?@[\w.-]+(:[0-9]{1,5})?(/[\w.-]+)*/[0-9]+", text, re.ASCII
    ):
        raise ValueError("a DSN such as https://key@sentry.example/1")
    return text


def origins(text: str) -> tuple[str, ...]:
    """Take web origins separated by commas; no wildcard."""
    found = [part.strip() for part in text.split(",") if part.strip()]
    for origin in found:
        if not re.fullmatch(r"https?://[a-z0-9.-]+(?::[0-9]{1,5})?", origin):
            raise ValueError(
                "a list of origins such as https://app.example, without a path"
            )
    return tuple(dict.fromkeys(found))


def word(text: str) -> str:
    """Take a name that fits into a token's claim."""
    if not re.fullmatch(r"[!-~]{1,200}", text):
        raise ValueError("1 to 200 printable characters without spaces")
    return text


def secrets(text: str) -> dict[str, bytes]:
    """Take a secret, or `kid:secret` pairs separated by commas, the newest first."""
    found: dict[str, bytes] = {}
    parts = text.split(",") if text else []
    for part in parts:
        named = re.fullmatch(r"([A-Za-z0-9._-]{1,64}):(.*)", part.strip())
        kid, secret = (named[1], named[2]) if named else ("", part.strip())
        if len(secret.encode()) < SECRET_BYTES or len(set(secret)) < SECRET_CHARACTERS:
            raise ValueError(
                f"a random secret of {SECRET_BYTES} bytes or more "
                "(openssl rand -base64 48)"
            )
        if kid in found or (len(parts) > 1 and not kid):
            raise ValueError("one secret, or kid:secret pairs, each kid once")
        found[kid] = secret.encode()
    return found
