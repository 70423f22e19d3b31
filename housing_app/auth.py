"""Who asks, and whether they may: bearer tokens, and what each route asks for."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jwt
import structlog
from flask import Flask, g, request

from housing_app import metrics
from housing_app.keys import Key, read_keys

SCOPES = ("predict", "outcomes", "admin")
PUBLIC = "public"

# Every endpoint is here (a test sees to it), with the scope it asks for; PUBLIC ones
# read no token. An endpoint that is missing asks for admin.
ROUTES = {
    "v1.predict": "predict",
    "v1.predict_minimal": "predict",
    "v1.report_outcomes": "outcomes",
    "v1.info": PUBLIC,
    "v1.accuracy": PUBLIC,
    "v1.zipcode_demographics": PUBLIC,
    "v1.zipcodes": PUBLIC,
    "v1.openapi_document": PUBLIC,
    "site.accuracy_page": PUBLIC,
    "site.docs": PUBLIC,
    "site.problem": PUBLIC,
    "site.problems": PUBLIC,
    "site.static": PUBLIC,
    "site.valuation_page": PUBLIC,
    "ops.health": PUBLIC,
    "ops.live": PUBLIC,
    "ops.ready": PUBLIC,
    "ops.startup": PUBLIC,
    "prometheus_metrics": PUBLIC,  # nginx keeps it from outside
}
_CLAIMS = ["exp", "iat", "iss", "aud", "sub"]
_TOKEN_BYTES = 8_192
_MOST_KNOWN = 1_000
SUBJECT_LENGTH = 200


class Refused(Exception):  # noqa: N818 - an answer, as Problem is
    """Refuse a request: `unauthorized` or `forbidden`, with the header that says why.

    The text never repeats anything of the token.
    """

    def __init__(
        self, name: str, detail: str, error: str = "", scope: str = ""
    ) -> None:
        self.name = name
        parameters = {"error": error, "error_description": error and detail}
        shown = {"realm": "housing_app", **parameters, "scope": scope}
        pairs = ", ".join(f'{key}="{text}"' for key, text in shown.items() if text)
        self.headers = {"WWW-Authenticate": f"Bearer {pairs}"}
        super().__init__(detail)


class Tokens:
    """Issue and verify the tokens of one issuer for one audience."""

    def __init__(self, keys: Sequence[Key], settings: Mapping[str, Any]) -> None:
        self._keys = {key.kid: key for key in keys}
        self._issuer = settings["JWT_ISSUER"]
        self._audience = settings["JWT_AUDIENCE"]
        self._leeway = settings["JWT_LEEWAY"]
        # A signature stays good: verified once by each worker, and then only the time.
        self._known: dict[str, dict[str, Any]] = {}

    def claims(self, token: str) -> dict[str, Any]:
        """Return the claims of a token that is good in every respect, or refuse it."""
        known = self._known.get(token)
        if known and int(known["exp"]) > time.time() - self._leeway:
            return known
        claims = self._verified(token)
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[token] = claims
        return claims

    def _verified(self, token: str) -> dict[str, Any]:
        if len(token) > _TOKEN_BYTES:
            raise _bad("the token is too long")
        try:
            key = self._key(jwt.get_unverified_header(token))
            claims: dict[str, Any] = jwt.decode(
                token,
                key.public,
                algorithms=[key.algorithm],  # the key's own, whatever the token says
                issuer=self._issuer,
                audience=self._audience,
                leeway=self._leeway,
                options={"require": _CLAIMS},
            )
        except jwt.PyJWTError as error:
            raise _bad(_reason(error)) from None
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise _bad("the token is not well formed") from None
        if not 0 < len(claims["sub"]) <= SUBJECT_LENGTH:
            raise _bad("the token's sub is empty or too long")
        if not isinstance(claims.get("scope", ""), str):
            raise _bad("the token's scope is not text")
        return claims

    def issue(self, subject: str, scopes: Sequence[str], ttl: int, kid: str) -> str:
        """Return a new token, signed with a secret of ours."""
        key = self._keys[kid]
        now = int(time.time())
        claims = {"sub": subject, "scope": " ".join(scopes), "iat": now}
        claims |= {"exp": now + ttl, "iss": self._issuer, "aud": self._audience}
        headers = {"kid": kid} if kid else None
        return jwt.encode(claims, key.public, key.algorithm, headers=headers)

    def _key(self, header: Mapping[str, Any]) -> Key:
        if "crit" in header:
            raise _bad("the token asks for an extension that is not understood")
        # Looked up as it is: a kid is never a path, an address or part of a query.
        kid = header.get("kid", "")
        key = self._keys.get(kid) if isinstance(kid, str) else None
        if key is None and "kid" not in header and len(self._keys) == 1:
            key = next(iter(self._keys.values()))
        if key is None:
            raise _bad("the token's key is not known")
        return key


def _bad(detail: str) -> Refused:
    return Refused("unauthorized", detail, "invalid_token")


def _reason(error: jwt.PyJWTError) -> str:
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"the token lacks the claim {error.claim}"
    reasons: dict[type[jwt.PyJWTError], str] = {
        jwt.ExpiredSignatureError: "the token has expired",
        jwt.ImmatureSignatureError: "the token is not valid yet",
        jwt.InvalidAudienceError: "the token is for another audience",
        jwt.InvalidIssuerError: "the token is from another issuer",
        jwt.InvalidAlgorithmError: "the token's algorithm is not its key's",
        jwt.InvalidSignatureError: "the token's signature is wrong",
    }
    return reasons.get(type(error), "the token is not well formed")


def tokens(settings: Mapping[str, Any]) -> Tokens:
    """Return what verifies tokens with the keys of the settings."""
    keys = read_keys(settings["JWT_SECRET"], settings["JWT_KEYS_FILE"])
    return Tokens(keys, settings)


def init_app(app: Flask, on_failure: Callable[[], None]) -> None:
    """Ask for tokens where AUTH=jwt; `on_failure` counts those who have none."""
    verifier = tokens(app.config) if app.config["AUTH"] == "jwt" else None

    @app.before_request
    def identify() -> None:
        g.subject, g.scopes = None, ()
        needed = ROUTES.get(request.endpoint, "admin") if request.endpoint else PUBLIC
        # A preflight carries no token, and no view answers OPTIONS.
        if verifier is None or needed == PUBLIC or request.method == "OPTIONS":
            return
        try:
            claims = verifier.claims(
                _bearer(request.environ.get("HTTP_AUTHORIZATION", ""))
            )
        except Refused as error:
            metrics.auth_failures.inc()
            structlog.contextvars.bind_contextvars(refused=str(error))
            on_failure()
            raise
        g.subject = claims["sub"]
        g.scopes = tuple(claims.get("scope", "").split(" "))
        structlog.contextvars.bind_contextvars(subject=g.subject)
        if needed not in g.scopes:
            detail = f"the token lacks the scope {needed}"
            raise Refused("forbidden", detail, "insufficient_scope", needed)


def _bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refused("unauthorized", "send a token: Authorization: Bearer …")
    return token.strip(" ")
