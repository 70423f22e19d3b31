"""`flask token`: issue tokens with our own secret, and look into any."""

import json
import re
import sys

import click
import jwt
from flask import current_app
from flask.cli import with_appcontext

from housing_app import auth

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LONGEST = 366 * 86_400


class Duration(click.ParamType[int]):
    """Take 90s, 15m, 8h or 30d; return seconds."""

    name = "duration"

    def convert(self, value: str | int, param: object, ctx: object) -> int:
        """Return the seconds."""
        found = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", str(value))
        seconds = int(found[1]) * _UNITS[found[2]] if found else 0
        if not 0 < seconds <= _LONGEST:
            self.fail("give a time such as 15m, 8h or 30d, up to 366d")
        return seconds


@click.group("token")
def group() -> None:
    """Issue bearer tokens and look into them."""


@group.command()
@click.option("--subject", required=True, help="Who it is for: the token's sub.")
@click.option(
    "--scope",
    "scopes",
    required=True,
    multiple=True,
    type=click.Choice(auth.SCOPES),
    help="What it allows; may be given more than once.",
)
@click.option("--ttl", type=Duration(), default="1h", help="How long: 15m, 8h, 30d.")
@click.option("--kid", help="Sign with this secret, not with the first.")
@with_appcontext
def issue(subject: str, scopes: tuple[str, ...], ttl: int, kid: str | None) -> None:
    """Print a new token, signed with JWT_SECRET."""
    secrets = current_app.config["JWT_SECRET"]
    if not secrets:
        raise click.ClickException("set JWT_SECRET, which signs tokens")
    chosen = next(iter(secrets)) if kid is None else kid
    if chosen not in secrets:
        raise click.ClickException(f"JWT_SECRET has no kid {chosen}")
    if not subject.isprintable() or not 0 < len(subject) <= auth.SUBJECT_LENGTH:
        raise click.BadParameter("--subject: 1 to 200 printable characters")
    tokens = auth.tokens(current_app.config)
    click.echo(tokens.issue(subject, list(dict.fromkeys(scopes)), ttl, chosen))


@group.command()
@click.argument("token", default="-")
@with_appcontext
def inspect(token: str) -> None:
    """Show what TOKEN says, and whether the service takes it; exit 1 if not.

    Without TOKEN it is read from stdin, where no process list shows it.
    """
    text = (sys.stdin.read() if token == "-" else token).strip()  # noqa: S105  # nosec B105
    try:
        found = jwt.decode_complete(text, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise click.ClickException("this is not a token") from None
    shown = {"header": found["header"], "claims": found["payload"]}
    click.echo(json.dumps(shown, indent=1))
    try:
        auth.tokens(current_app.config).claims(text)
    except auth.Refused as error:
        raise click.ClickException(f"refused: {error}") from None
    click.echo("good", err=True)
