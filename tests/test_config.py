"""The settings table: casts, defaults, and errors that name the setting."""

from pathlib import Path

import pytest

from housing_app import config
from housing_app.config import ROOT, SETTINGS, ConfigError, Setting

ONE = "T9v4fWb2kQz7Lx0RmYpJ8sDcH3nGuEa6"  # pragma: allowlist secret
TWO = "o1Zq5tXy8KwB3vNf6RjM0hCgP2sLdUe4"  # pragma: allowlist secret
NAMES = [setting.name for setting in SETTINGS]


def loaded(**environ):
    return config.load(environ)


def error_of(**environ):
    with pytest.raises(ConfigError) as caught:
        config.load(environ)
    return str(caught.value)


def test_names_are_unique_and_written_as_environment_variables():
    assert len(set(NAMES)) == len(NAMES)
    assert all(name.isupper() for name in NAMES)


@pytest.mark.parametrize("setting", SETTINGS, ids=NAMES)
def test_a_setting_has_help_and_a_default_its_own_cast_takes(setting):
    assert setting.help.endswith(".")
    setting.cast(setting.default)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("HOUSING_ENV", "development"),
        ("MODEL_DIR", ROOT / "model"),
        ("DEMOGRAPHICS_CSV", ROOT / "data" / "zipcode_demographics.csv"),
        ("RATE_LIMIT", "100/minute"),
        ("MAX_RECORDS", 1000),
        ("MAX_CONTENT_LENGTH", 2_000_000),
        ("REFUSE_OUTSIDE_AREA", False),
        ("LOG_LEVEL", "info"),
        ("PORT", 8000),
        ("BIND", "127.0.0.1:8000"),
        ("WORKERS", 2),
    ],
)
def test_an_empty_environment_gives_the_default(name, expected):
    assert loaded()[name] == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_variable_counts_as_unset(name, text):
    assert config.load({name: text}) == loaded()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("HOUSING_ENV", "Development", "development"),
        ("MODEL_DIR", "other", ROOT / "other"),
        ("MODEL_DIR", "/srv/models", Path("/srv/models")),
        ("DEMOGRAPHICS_CSV", "/srv/zip.csv", Path("/srv/zip.csv")),
        ("RATE_LIMIT", "off", "off"),
        ("RATE_LIMIT", "OFF", "off"),
        ("RATE_LIMIT", "5/second", "5/second"),
        ("RATE_LIMIT", "100000/day", "100000/day"),
        ("MAX_RECORDS", "1", 1),
        ("MAX_RECORDS", "100000", 100_000),
        ("MAX_RECORDS", " 20 ", 20),
        ("MAX_CONTENT_LENGTH", "1000", 1_000),
        ("REFUSE_OUTSIDE_AREA", "true", True),
        ("REFUSE_OUTSIDE_AREA", "YES", True),
        ("REFUSE_OUTSIDE_AREA", "1", True),
        ("REFUSE_OUTSIDE_AREA", "no", False),
        ("REFUSE_OUTSIDE_AREA", "0", False),
        ("LOG_LEVEL", "DEBUG", "debug"),
        ("PORT", "65535", 65_535),
        ("BIND", "127.1.2.3:80", "127.1.2.3:80"),
        ("BIND", "[::1]:8000", "[::1]:8000"),
        ("BIND", "localhost:65535", "localhost:65535"),
        ("WORKERS", "8", 8),
        ("RATE_LIMIT_FALLBACK", "9/hour", "9/hour"),
        ("TRUSTED_PROXIES", "2", 2),
        ("JWT_LEEWAY", "0", 0),
        ("JWT_KEYS_FILE", "/srv/keys.json", Path("/srv/keys.json")),
        ("JWT_SECRET", ONE, {"": ONE.encode()}),
        ("JWT_SECRET", f"a:{ONE},b:{TWO}", {"a": ONE.encode(), "b": TWO.encode()}),
        ("REDIS_URL", "rediss://:p@cache:6379/1", "rediss://:p@cache:6379/1"),
        ("DATABASE_URL", "postgresql://u:p@db/x", "postgresql://u:p@db/x"),
        ("CORS_ORIGINS", "https://a.example", ("https://a.example",)),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otel:4318", "https://otel:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "A=b%20c, d=e=", {"a": "b c", "d": "e="}),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25", 0.25),
        ("OTEL_TRACES_SAMPLER_ARG", "1.0", 1.0),
        (
            "SENTRY_DSN",
            "https://k@o1.sentry.example/7",
            "https://k@o1.sentry.example/7",
        ),
        (
            "CORS_ORIGINS",
            "http://localhost:3000, https://a.example",
            ("http://localhost:3000", "https://a.example"),
        ),
    ],
)
def test_a_variable_is_cast_to_its_value(name, text, value):
    found = config.load({name: text})[name]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("HOUSING_ENV", "staging"),
        ("RATE_LIMIT", "0/minute"),
        ("RATE_LIMIT", "100"),
        ("RATE_LIMIT", "100/week"),
        ("RATE_LIMIT", "-1/minute"),
        ("RATE_LIMIT", "100/minute;1/day"),
        ("MAX_RECORDS", "0"),
        ("MAX_RECORDS", "100001"),
        ("MAX_RECORDS", "1e3"),
        ("MAX_RECORDS", "ten"),
        ("MAX_RECORDS", "1.5"),
        ("MAX_RECORDS", "9" * 5_000),
        ("MAX_RECORDS", "١٠"),
        ("MAX_CONTENT_LENGTH", "999"),
        ("MAX_CONTENT_LENGTH", "2MB"),
        ("REFUSE_OUTSIDE_AREA", "maybe"),
        ("REFUSE_OUTSIDE_AREA", "2"),
        ("LOG_LEVEL", "loud"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("BIND", "8000"),
        ("BIND", "127.0.0.1"),
        ("BIND", "127.0.0.1:0"),
        ("BIND", "127.0.0.1:99999"),
        ("BIND", "127.0.0.1:8000 --preload"),
        ("BIND", "::1:8000"),
        ("WORKERS", "0"),
        ("WORKERS", "257"),
        ("AUTH", "basic"),
        ("RATE_LIMIT_FALLBACK", "off"),
        ("AUTH_FAILURE_LIMIT", "off"),
        ("TRUSTED_PROXIES", "11"),
        ("JWT_LEEWAY", "301"),
        ("JWT_ISSUER", "two words"),
        ("JWT_SECRET", "short"),
        ("JWT_SECRET", ONE[:31]),
        ("JWT_SECRET", "changeme" * 8),
        ("JWT_SECRET", f"a:{ONE},a:{TWO}"),
        ("JWT_SECRET", f"a:{ONE},{TWO}"),
        ("JWT_SECRET", f"a:{ONE},"),
        ("REDIS_URL", "cache:6379"),
        ("REDIS_URL", "http://cache"),
        ("REDIS_URL", "redis://"),
        ("DATABASE_URL", "mysql://db/x"),
        ("CORS_ORIGINS", "*"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://collector:4317"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "token"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=b%0d%0aX-Evil: c"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_TRACES_SAMPLER_ARG", "nan"),
        ("OTEL_TRACES_SAMPLER_ARG", "10%"),
        ("SENTRY_DSN", "https://sentry.example/1"),
        ("SENTRY_DSN", "https://k@sentry.example"),
        ("SENTRY_DSN", "true"),
        ("CORS_ORIGINS", "null"),
        ("CORS_ORIGINS", "https://a.example/"),
        ("CORS_ORIGINS", "https://*.example"),
        ("CORS_ORIGINS", "a.example"),
    ],
)
def test_a_bad_value_is_refused_in_one_line_that_names_the_setting(name, text):
    error = error_of(**{name: text})
    assert error.startswith(f"{name}: ")
    assert len(error.splitlines()) == 1


def test_every_bad_setting_is_named_at_once():
    error = error_of(PORT="x", WORKERS="y", LOG_LEVEL="z", MAX_RECORDS="20")
    found = [name for name in NAMES if f"{name}: " in error]
    assert found == ["LOG_LEVEL", "PORT", "WORKERS"]


def test_variables_that_are_no_settings_are_ignored():
    assert loaded(HOME="/root", PORTS="x") == loaded()


def test_the_port_is_that_of_the_address_unless_an_address_is_given():
    assert loaded(PORT="9000")["BIND"] == "127.0.0.1:9000"
    assert loaded(PORT="9000", BIND="[::1]:80")["BIND"] == "[::1]:80"


PRODUCTION = {
    "HOUSING_ENV": "production",
    "AUTH": "jwt",
    "JWT_SECRET": ONE,
    "REDIS_URL": "redis://cache:6379/0",
    "DATABASE_URL": "postgresql://u:p@db/housing",
}
ASKED = ("AUTH=jwt", "JWT_SECRET", "REDIS_URL", "DATABASE_URL")


def test_production_boots_with_all_it_needs():
    assert loaded(**PRODUCTION, BIND="0.0.0.0:80")["HOUSING_ENV"] == "production"
    keys = PRODUCTION | {"JWT_SECRET": "", "JWT_KEYS_FILE": "/srv/keys.json"}
    assert loaded(**keys)["RATE_LIMIT"] == "100/minute"


def test_production_names_all_it_lacks_at_once():
    error = error_of(HOUSING_ENV="production", RATE_LIMIT="off")
    assert len(error.splitlines()) == 1
    assert [name for name in (*ASKED, "RATE_LIMIT") if name not in error] == []


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("AUTH", "off", "AUTH=jwt"),
        ("JWT_SECRET", "", "JWT_SECRET"),
        ("JWT_SECRET", "x" * 64, "JWT_SECRET"),
        ("REDIS_URL", "", "REDIS_URL"),
        ("DATABASE_URL", "", "DATABASE_URL"),
        ("RATE_LIMIT", "off", "RATE_LIMIT"),
    ],
)
def test_production_names_what_it_lacks_and_no_more(name, text, named):
    error = error_of(**PRODUCTION | {name: text, "AUTH_OFF_ANYWHERE": "true"})
    assert named in error
    others = {"AUTH=jwt", "JWT_SECRET", "REDIS_URL", "DATABASE_URL", "RATE_LIMIT"}
    assert [other for other in others - {named} if other in error] == []


def test_tokens_need_a_key_to_verify_them():
    assert "JWT_SECRET or JWT_KEYS_FILE" in error_of(AUTH="jwt")
    assert loaded(AUTH="jwt", JWT_SECRET=ONE)["AUTH"] == "jwt"


OPEN = ["0.0.0.0:80", "[::]:80", "10.0.0.5:80", "example.com:80", "localhost.evil:80"]


@pytest.mark.parametrize("address", OPEN)
def test_without_auth_the_service_is_for_this_machine_only(address):
    error = error_of(BIND=address)
    assert error.startswith("BIND: ")
    assert "AUTH_OFF_ANYWHERE=true" in error
    assert loaded(BIND=address, AUTH_OFF_ANYWHERE="true")["BIND"] == address
    assert loaded(BIND=address, AUTH="jwt", JWT_SECRET=ONE)["BIND"] == address


@pytest.mark.parametrize("address", ["127.0.0.1:80", "[::1]:80", "localhost:80"])
def test_without_auth_the_loopback_is_served(address):
    assert loaded(BIND=address)["BIND"] == address


@pytest.mark.parametrize(
    "name",
    [
        *("JWT_SECRET", "REDIS_URL", "DATABASE_URL"),
        *("SENTRY_DSN", "OTEL_EXPORTER_OTLP_HEADERS"),
    ],
)
def test_secrets_are_neither_shown_nor_repeated(name):
    sent_on = {"SENTRY_DSN": "https://k@s/1", "OTEL_EXPORTER_OTLP_HEADERS": "a=b"}
    good = (dict(PRODUCTION, REDIS_URL="redis://:pw@cache") | sent_on)[name]
    assert config.masked(loaded(**{name: good}))[name] == "********"
    assert "hunter2" not in error_of(**{name: "hunter2"})


def whole(text):
    if not text.isdigit():
        raise ValueError("a whole number")
    return int(text)


TABLE = (
    Setting("HOUSING_ENV", str, "development", "Profile."),
    Setting("RATE_LIMIT", str, "off", "Limit."),
    Setting("PORT", whole, "8000", "Port."),
    Setting("BIND", str, "", "Address."),
    Setting("TOKEN", str, "", "Secret.", secret=True),
    Setting("PIN", whole, "0", "Secret number.", secret=True),
)


def test_a_secret_is_masked_and_nothing_else():
    values = config.load({"TOKEN": "hunter2", "PORT": "81"}, TABLE)
    shown = config.masked(values, TABLE)
    assert shown["TOKEN"] == "********"
    assert shown["PORT"] == "81"
    assert values["TOKEN"] == "hunter2"


def test_a_secret_that_is_not_set_is_shown_as_empty():
    shown = config.masked(config.load({}, TABLE), TABLE)
    assert shown["TOKEN"] == ""


def test_a_bad_secret_is_not_repeated_in_the_error():
    with pytest.raises(ConfigError) as caught:
        config.load({"PIN": "hunter2"}, TABLE)
    assert str(caught.value) == "PIN: its value is not a whole number"


def test_shown_values_are_text():
    shown = config.masked(loaded())
    assert shown["MODEL_DIR"] == str(ROOT / "model")
    assert shown["REFUSE_OUTSIDE_AREA"] == "False"
