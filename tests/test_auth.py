"""Tokens: one good one, and every way in which a token is not."""

import base64
import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from housing_app import auth, config, create_app
from housing_app.config import ConfigError

SECRET = "T9v4fWb2kQz7Lx0RmYpJ8sDcH3nGuEa6"  # pragma: allowlist secret
OLD = "o1Zq5tXy8KwB3vNf6RjM0hCgP2sLdUe4"  # pragma: allowlist secret
KEY = SECRET.encode()
PREDICT = "/v1/predict"


def app_with(**settings):
    given = {"AUTH": "jwt", "RATE_LIMIT": "off", "JWT_SECRET": {"": KEY}}
    return create_app(given | {"AUTH_FAILURE_LIMIT": "1000/minute"} | settings)


@pytest.fixture(scope="module")
def guarded(app):
    """The app, asking for tokens; the models are those of `app`."""
    return app_with()


@pytest.fixture(scope="module")
def rsa_key():
    return rsa.generate_private_key(65_537, 2_048)


@pytest.fixture(scope="module")
def ec_key():
    return ec.generate_private_key(ec.SECP256R1())


def pem(private):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return private.public_key().public_bytes(serialization.Encoding.PEM, form)


def jwk(private, **more):
    kind = "RSA" if isinstance(private, rsa.RSAPrivateKey) else "EC"
    algorithm = jwt.algorithms.get_default_algorithms()[
        "RS256" if kind == "RSA" else "ES256"
    ]
    return json.loads(algorithm.to_jwk(private.public_key())) | more


def claims(**changes):
    now = int(time.time())
    good = {
        "sub": "someone",
        "scope": "predict",
        "iss": "housing_app",
        "aud": "housing_app",
        "iat": now,
        "exp": now + 300,
    }
    return {k: v for k, v in (good | changes).items() if v is not ...}


def token(key=SECRET, algorithm="HS256", headers=None, **changes):
    return jwt.encode(claims(**changes), key, algorithm, headers=headers)


def part(value):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def forged(header, payload=None, key=KEY):
    """Return a token with any header, signed by hand."""
    signed = f"{part(header)}.{part(claims() if payload is None else payload)}"
    digest = hmac.digest(key, signed.encode(), hashlib.sha256)
    return f"{signed}.{part(digest)}"


def tampered():
    header, _, signature = token().split(".")
    return f"{header}.{part(claims(sub='admin'))}.{signature}"


def ask(app, sent=None, path=PREDICT, method="POST"):
    headers = {} if sent is None else {"Authorization": sent}
    return app.test_client().open(path, method=method, headers=headers, json={})


def assert_refused(answer, status=401):
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    name = {401: "unauthorized", 403: "forbidden"}[status]
    assert answer.json["type"] == f"/problems/{name}"
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="housing_app"')


# --- the matrix ---------------------------------------------------------------------


def test_a_good_token_is_let_in(guarded, home):
    sent = {"Authorization": f"bearer {token()}"}  # the scheme has no case
    answer = guarded.test_client().post(PREDICT, json=home, headers=sent)
    assert answer.status_code == 200


def hours(count):
    return int(time.time()) + 3_600 * count


BAD = {
    "nothing": lambda: None,
    "no scheme": token,
    "another scheme": lambda: f"Basic {token()}",
    "an empty token": lambda: "Bearer ",
    "two tokens": lambda: f"Bearer {token()} {token()}",
    "no token at all": lambda: "Bearer x",
    "not base64": lambda: "Bearer a.b.c",
    "five parts": lambda: "Bearer a.b.c.d.e",
    "alg none": lambda: f"Bearer {token(None, 'none')}",
    "alg None": lambda: f"Bearer {forged({'alg': 'None'})}",
    "alg none, unsigned": lambda: (
        "Bearer " + ".".join([part({"alg": "none"}), part(claims()), ""])
    ),
    "no alg": lambda: f"Bearer {forged({'typ': 'JWT'})}",
    "another HMAC": lambda: f"Bearer {token(SECRET * 2, 'HS512')}",
    "wrong key": lambda: f"Bearer {token('x' * 32)}",
    "tampered claims": lambda: f"Bearer {tampered()}",
    "cut signature": lambda: f"Bearer {token()[:-4]}",
    "expired": lambda: f"Bearer {token(iat=hours(-2), exp=hours(-1))}",
    "issued later": lambda: f"Bearer {token(iat=hours(1), exp=hours(2))}",
    "not yet valid": lambda: f"Bearer {token(nbf=hours(1), exp=hours(2))}",
    "wrong issuer": lambda: f"Bearer {token(iss='other')}",
    "wrong audience": lambda: f"Bearer {token(aud='other')}",
    "no exp": lambda: f"Bearer {token(exp=...)}",
    "no iat": lambda: f"Bearer {token(iat=...)}",
    "no iss": lambda: f"Bearer {token(iss=...)}",
    "no aud": lambda: f"Bearer {token(aud=...)}",
    "no sub": lambda: f"Bearer {token(sub=...)}",
    "null sub": lambda: f"Bearer {forged({'alg': 'HS256'}, claims(sub=None))}",
    "empty sub": lambda: f"Bearer {token(sub='')}",
    "sub no text": lambda: f"Bearer {forged({'alg': 'HS256'}, claims(sub=7))}",
    "long sub": lambda: f"Bearer {token(sub='x' * 201)}",
    "exp no number": lambda: f"Bearer {forged({'alg': 'HS256'}, claims(exp='x'))}",
    "exp infinite": lambda: (
        f"Bearer {forged({'alg': 'HS256'}, claims(exp=float('inf')))}"
    ),
    "scope no text": lambda: f"Bearer {token(scope=['predict'])}",
    "claims no object": lambda: f"Bearer {forged({'alg': 'HS256'}, ['x'])}",
    "nested claims": lambda: f"Bearer {forged({'alg': 'HS256'}, b'[' * 5_000)}",
    "unknown crit": lambda: f"Bearer {forged({'alg': 'HS256', 'crit': ['x'], 'x': 1})}",
    "known crit": lambda: (
        f"Bearer {forged({'alg': 'HS256', 'crit': ['b64'], 'b64': True})}"
    ),
    "empty crit": lambda: f"Bearer {forged({'alg': 'HS256', 'crit': []})}",
    "kid traversal": lambda: f"Bearer {token(headers={'kid': '../../dev/null'})}",
    "kid traversal, empty key": lambda: (
        "Bearer " + forged({"alg": "HS256", "kid": "../../../dev/null"}, key=b"")
    ),
    "kid injection": lambda: f"Bearer {token(headers={'kid': '1 OR 1=1'})}",
    "kid no text": lambda: f"Bearer {forged({'alg': 'HS256', 'kid': ['x']})}",
    "key in the token": lambda: (
        "Bearer " + forged({"alg": "HS256", "jwk": {"kty": "oct", "k": ""}}, key=b"")
    ),
    "100 kB": lambda: f"Bearer {token(padding='x' * 100_000)}",
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_token_is_refused_with_a_challenge(guarded, what, capsys):
    sent = BAD[what]()
    answer = ask(guarded, sent)
    assert_refused(answer)
    assert ('error="invalid_token"' in answer.headers["WWW-Authenticate"]) == (
        what not in {"nothing", "no scheme", "another scheme", "an empty token"}
    )
    # What was sent is a secret, or somebody's attempt at one.
    told = answer.text + str(answer.headers) + capsys.readouterr().out
    assert SECRET not in told
    for piece in (sent or "").replace(".", " ").split():
        assert len(piece) < 12 or piece not in told


@pytest.mark.parametrize("seconds", [-20, 20])
def test_clocks_may_differ_by_the_leeway(guarded, seconds):
    now = int(time.time())
    near = token(iat=now + 20, exp=now + seconds)
    assert ask(guarded, f"Bearer {near}").status_code == 422
    strict = app_with(JWT_LEEWAY=0)
    assert_refused(ask(strict, f"Bearer {near}"))


def test_a_token_that_was_good_expires_all_the_same():
    made = app_with(JWT_LEEWAY=0)
    sent = f"Bearer {token(exp=int(time.time()) + 2)}"
    assert [ask(made, sent).status_code for _ in range(2)] == [422, 422]
    time.sleep(2.1)
    assert_refused(ask(made, sent))


def test_only_so_many_good_tokens_are_remembered(monkeypatch):
    monkeypatch.setattr(auth, "_MOST_KNOWN", 3)
    settings = config.load({"JWT_SECRET": SECRET})
    tokens = auth.tokens(settings)
    for n in range(10):
        sent = token(sub=str(n))
        assert tokens.claims(sent) == tokens.claims(sent)
    assert len(tokens._known) <= 3


def test_a_token_in_the_query_or_a_cookie_is_not_read(guarded):
    client = guarded.test_client()
    client.set_cookie("token", token())
    answer = client.post(f"{PREDICT}?access_token={token()}", json={})
    assert_refused(answer)


# --- keys ---------------------------------------------------------------------------


def test_secrets_are_rotated_by_kid():
    keys = {"new": SECRET.encode(), "old": OLD.encode()}
    made = app_with(JWT_SECRET=keys)
    for kid, secret in (("new", SECRET), ("old", OLD)):
        good = token(secret, headers={"kid": kid})
        assert ask(made, f"Bearer {good}").status_code == 422
    for secret, headers in (
        (OLD, {"kid": "new"}),
        (SECRET, {"kid": "gone"}),
        (SECRET, None),
    ):
        assert_refused(ask(made, f"Bearer {token(secret, headers=headers)}"))


@pytest.fixture
def with_file(tmp_path):
    def make(content, **settings):
        path = tmp_path / "keys"
        path.write_bytes(content)
        return app_with(**{"JWT_SECRET": {}, "JWT_KEYS_FILE": path} | settings)

    return make


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_public_key_verifies_and_is_no_secret(with_file, rsa_key, ec_key, algorithm):
    private = {"RS256": rsa_key, "ES256": ec_key}[algorithm]
    made = with_file(pem(private))
    assert ask(made, f"Bearer {token(private, algorithm)}").status_code == 422
    # The confusion of HS and RS: the public key, known to all, used as a secret.
    for key in (pem(private), pem(private).rstrip()):
        assert_refused(ask(made, f"Bearer {forged({'alg': 'HS256'}, key=key)}"))
    assert_refused(
        ask(made, f"Bearer {token(rsa.generate_private_key(65537, 2048), 'RS256')}")
    )
    assert_refused(ask(made, f"Bearer {token()}"))


def test_an_rsa_key_takes_rs256_and_no_other_algorithm_of_its_family(
    with_file, rsa_key
):
    made = with_file(pem(rsa_key))
    for algorithm in ("RS512", "PS256"):
        assert_refused(ask(made, f"Bearer {token(rsa_key, algorithm)}"))


def test_a_jwks_file_pairs_each_kid_with_its_key(with_file, rsa_key, ec_key):
    keys = [jwk(rsa_key, kid="r", use="sig"), jwk(ec_key, kid="e", alg="ES256")]
    keys.append(jwk(rsa_key, kid="x", use="enc"))
    made = with_file(
        json.dumps({"keys": keys}).encode(), JWT_SECRET={"s": SECRET.encode()}
    )
    good = {
        "r": (rsa_key, "RS256"),
        "e": (ec_key, "ES256"),
        "s": (SECRET, "HS256"),
    }
    for kid in (*good, "x"):
        for owner, (key, algorithm) in good.items():
            sent = token(key, algorithm, headers={"kid": kid})
            answer = ask(made, f"Bearer {sent}")
            assert answer.status_code == (422 if kid == owner else 401)


def unfit(rsa_key, ec_key):
    private = serialization.PrivateFormat.PKCS8
    form = (serialization.Encoding.PEM, private, serialization.NoEncryption())
    secret = {"kty": "oct", "kid": "o", "k": part(SECRET.encode())}
    whole = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key))
    two = [jwk(rsa_key), jwk(ec_key)]
    return {
        "a private key": rsa_key.private_bytes(*form),
        "a short key": pem(rsa.generate_private_key(65_537, 1_024)),
        "another curve": pem(ec.generate_private_key(ec.SECP384R1())),
        "another kind": pem(ed25519.Ed25519PrivateKey.generate()),
        "a secret": json.dumps({"keys": [secret]}).encode(),
        "a private JWK": json.dumps({"keys": [whole]}).encode(),
        "keys without kid": json.dumps({"keys": two}).encode(),
        "another algorithm": json.dumps({"keys": [jwk(rsa_key, alg="PS256")]}).encode(),
        "no keys": b"{}",
        "a list": b"[1]",
        "nonsense": b"hello",
        "broken PEM": b"-----BEGIN PUBLIC KEY-----\nxxxx\n-----END PUBLIC KEY-----\n",
        "binary": b"\xff\xfe\x00",
        "nothing": b"",
    }


def test_a_file_that_is_not_fit_stops_the_boot(with_file, rsa_key, ec_key, tmp_path):
    for what, content in unfit(rsa_key, ec_key).items():
        with pytest.raises(ConfigError, match="JWT_KEYS_FILE") as caught:
            with_file(content)
        assert len(str(caught.value).splitlines()) == 1, what
        assert ("holds a private key" in str(caught.value)) == (what == "a private key")
    with pytest.raises(ConfigError, match="JWT_KEYS_FILE"):
        app_with(JWT_KEYS_FILE=tmp_path / "none")


# --- routes -------------------------------------------------------------------------

PATHS = {"zipcode": "98103", "name": "not-found"}
PATHS |= {"version": "any", "filename": "style.css"}


def test_every_route_says_what_it_asks_for(app):
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    assert auth.ROUTES.keys() == endpoints
    assert set(auth.ROUTES.values()) <= {auth.PUBLIC, *auth.SCOPES}


def test_a_role_may_call_its_routes_and_no_other(guarded):
    roles = {scope: f"Bearer {token(scope=scope)}" for scope in auth.SCOPES}
    roles |= {
        "none": f"Bearer {token(scope=...)}",
        "near": f"Bearer {token(scope='predictor Predict predict2')}",
        "all": f"Bearer {token(scope=' '.join(auth.SCOPES))}",
        "nobody": None,
    }
    asked = 0
    for rule in guarded.url_map.iter_rules():
        names = {name: PATHS[name] for name in rule.arguments}
        path = guarded.url_map.bind("x").build(rule.endpoint, names)
        needed = auth.ROUTES[rule.endpoint]
        for method in rule.methods - {"OPTIONS"}:
            for role, sent in roles.items():
                answer = ask(guarded, sent, path, method)
                status, asked = answer.status_code, asked + 1
                if needed == auth.PUBLIC or role in {needed, "all"}:
                    assert status not in {401, 403}, (path, role)
                elif role == "nobody":
                    assert_refused(answer, 401)
                else:
                    assert_refused(answer, 403)
                    challenge = answer.headers["WWW-Authenticate"]
                    assert 'error="insufficient_scope"' in challenge
                    assert f'scope="{needed}"' in challenge
    assert asked > 100


def test_a_route_nobody_entered_asks_for_admin(app):
    made = app_with()
    made.add_url_rule("/new", "new", lambda: "here")
    for scope, status in (("predict", 403), ("admin", 200)):
        sent = f"Bearer {token(scope=scope)}"
        assert ask(made, sent, "/new", "GET").status_code == status
    assert ask(made, None, "/new", "GET").status_code == 401


def test_an_unknown_route_is_not_found_rather_than_refused(guarded):
    assert ask(guarded, None, "/nope", "GET").status_code == 404
    assert ask(guarded, None, PREDICT, "GET").status_code == 405


def test_without_auth_no_token_is_read(app, home):
    sent = {"Authorization": "Bearer nonsense"}
    answer = app.test_client().post(PREDICT, json=home, headers=sent)
    assert answer.status_code == 200


# --- what is told -------------------------------------------------------------------


def test_the_log_names_the_subject_and_not_the_token(guarded, home, capsys):
    sent = token(sub="agency-7")
    headers = {"Authorization": f"Bearer {sent}"}
    guarded.test_client().post(PREDICT, json=home, headers=headers)
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["subject"] == "agency-7"
    assert all(piece not in line for piece in sent.split("."))


def test_a_subject_cannot_forge_a_log_line(guarded, home, capsys):
    sent = {"Authorization": f"Bearer {token(sub='x' + chr(10) + '{}')}"}
    guarded.test_client().post(PREDICT, json=home, headers=sent)
    assert len(capsys.readouterr().out.splitlines()) == 1
