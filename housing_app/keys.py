"""The keys that tokens are verified with, each with its one algorithm."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from housing_app.casts import ConfigError

_RSA_BITS = 2_048


class Key(NamedTuple):
    """Pair a secret or public key with the only algorithm it may be used with."""

    kid: str  # empty where tokens name none
    algorithm: str
    public: Any


def read_keys(secrets: Mapping[str, bytes], file: Path | None) -> list[Key]:
    """Return all keys; ConfigError over a file that is not fit."""
    found = [Key(kid, "HS256", secret) for kid, secret in secrets.items()]
    if file:
        try:
            found += _from_file(file.read_text("utf-8"))
        except OSError as error:
            raise ConfigError(f"JWT_KEYS_FILE: {file}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"JWT_KEYS_FILE: {file}: {_line(error)}") from None
        except (jwt.PyJWTError, UnsupportedAlgorithm):
            raise ConfigError(f"JWT_KEYS_FILE: {file}: not a key we know") from None
    kids = [key.kid for key in found]
    if len(set(kids)) < len(kids) or ("" in kids and len(kids) > 1):
        raise ConfigError("JWT_SECRET, JWT_KEYS_FILE: each of several keys needs a kid")
    return found


def _from_file(text: str) -> Iterator[Key]:
    if "PRIVATE KEY" in text:
        raise ValueError("holds a private key; give the public key")
    if text.lstrip().startswith("-----BEGIN"):
        public = load_pem_public_key(text.encode())
        yield Key("", _algorithm(public), public)
        return
    for stored in json.loads(text)["keys"]:
        if stored.get("kty") not in {"RSA", "EC"} or "d" in stored:
            raise ValueError("a JWKS file may hold public RSA and EC keys only")
        if stored.get("use", "sig") != "sig":
            continue
        public = jwt.PyJWK(stored, _named(stored)).key
        algorithm = _algorithm(public)
        if stored.get("alg", algorithm) != algorithm:
            raise ValueError(f"a {stored['kty']} key is used with {algorithm} here")
        yield Key(str(stored.get("kid", "")), algorithm, public)


def _named(stored: Mapping[str, Any]) -> str:
    return "RS256" if stored["kty"] == "RSA" else "ES256"


def _algorithm(public: Any) -> str:
    if isinstance(public, rsa.RSAPublicKey):
        if public.key_size < _RSA_BITS:
            raise ValueError(f"an RSA key needs {_RSA_BITS} bits or more")
        return "RS256"
    is_ec = isinstance(public, ec.EllipticCurvePublicKey)
    if is_ec and isinstance(public.curve, ec.SECP256R1):
        return "ES256"
    raise ValueError("neither RSA (RS256) nor EC on P-256 (ES256)")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
