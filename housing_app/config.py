"""The settings: one table, read from the environment and nowhere else."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from housing_app import casts
from housing_app.casts import ROOT, ConfigError

__all__ = ["ROOT", "SETTINGS", "ConfigError", "Setting", "load", "masked"]


class Setting(NamedTuple):
    """Describe one setting; `cast` raises ValueError with what would be right."""

    name: str
    cast: Callable[[str], Any]
    default: str
    help: str
    secret: bool = False


SETTINGS = (
    Setting(
        "HOUSING_ENV",
        casts.one_of("development", "production"),
        "development",
        "Profile; production refuses unsafe settings.",
    ),
    Setting(
        "MODEL_DIR",
        casts.path,
        "model",
        "Directory of serving.json and the model artifacts.",
    ),
    Setting(
        "DEMOGRAPHICS_CSV",
        casts.path,
        "data/zipcode_demographics.csv",
        "CSV with a zipcode column and the columns the models name.",
    ),
    Setting(
        "DEMOGRAPHICS_URL",
        casts.url("sqlite", "postgresql", "postgresql+psycopg"),
        "",
        "Database to take the demographics from; the CSV is the way out while it is "
        "away.",
        secret=True,
    ),
    Setting(
        "MODEL_STORE_URL",
        casts.url("file", "s3", "gs"),
        "",
        "Object store of serving.json and the artifacts, which are taken from there "
        "into INSTANCE_DIR; without it they are in MODEL_DIR.",
    ),
    Setting(
        "MODEL_MAX_MS",
        casts.whole(1, 10_000),
        "25",
        "Milliseconds a model may take for one home; workers refuse a slower one.",
    ),
    Setting(
        "MODEL_MAX_MB",
        casts.whole(1, 1_000_000),
        "512",
        "Megabytes of memory a model may take; workers refuse a larger one.",
    ),
    Setting(
        "MODEL_STORE_POLL",
        casts.whole(0, 86_400),
        "60",
        "Seconds between looks at MODEL_STORE_URL for other models; 0 for none.",
    ),
    Setting(
        "MLFLOW_TRACKING_URI",
        str,  # other programs' too, in forms of theirs: looked at where it is used
        "",
        "MLflow server of `flask model push`, `pull` and `approve`; servers ignore it.",
        secret=True,
    ),
    Setting(
        "INSTANCE_DIR",
        casts.path,
        "instance",
        "Directory this machine writes to: journal spool, SQLite file, fetched models.",
    ),
    Setting(
        "AUTH",
        casts.one_of("off", "jwt"),
        "off",
        "jwt asks for bearer tokens; off serves this machine only.",
    ),
    Setting(
        "AUTH_OFF_ANYWHERE",
        casts.flag,
        "false",
        "Let AUTH=off serve other machines too: something else guards the service.",
    ),
    Setting(
        "JWT_SECRET",
        casts.secrets,
        "",
        "HS256 secret, or kid:secret pairs separated by commas, the newest first.",
        secret=True,
    ),
    Setting(
        "JWT_KEYS_FILE",
        casts.optional_path,
        "",
        "Public keys for RS256 and ES256: one as PEM, or a JWKS file.",
    ),
    Setting(
        "JWT_ISSUER",
        casts.word,
        "housing_app",
        "The iss a token must have.",
    ),
    Setting(
        "JWT_AUDIENCE",
        casts.word,
        "housing_app",
        "The aud a token must have.",
    ),
    Setting(
        "JWT_LEEWAY",
        casts.whole(0, 300),
        "30",
        "Seconds by which clocks may differ.",
    ),
    Setting(
        "REDIS_URL",
        casts.url("redis", "rediss", "unix"),
        "",
        "Redis of all workers: rate limits, the cache, models' bytes; production "
        "requires it.",
        secret=True,
    ),
    Setting(
        "DATABASE_URL",
        casts.url("sqlite", "postgresql", "postgresql+psycopg"),
        "",
        "Database of the journal and the outcomes; empty is SQLite in INSTANCE_DIR. "
        "Production requires it.",
        secret=True,
    ),
    Setting(
        "JOURNAL",
        casts.one_of("on", "off", "required"),
        "on",
        "Record every answered prediction. When the spool cannot take a record, on "
        "answers without it, required answers 503.",
    ),
    Setting(
        "SPOOL_MAX_MB",
        casts.whole(1, 1_000_000),
        "256",
        "Megabytes of records this machine keeps while the database is away.",
    ),
    Setting(
        "CACHE",
        casts.one_of("off", "memory", "redis"),
        "memory",
        "Where answers to repeated requests are kept.",
    ),
    Setting(
        "CACHE_TTL",
        casts.whole(1, 86_400),
        "60",
        "Seconds an answer is kept.",
    ),
    Setting(
        "CACHE_SIZE",
        casts.whole(1, 10_000_000),
        "10000",
        "Homes whose answers each worker keeps with CACHE=memory.",
    ),
    Setting(
        "RATE_LIMIT",
        casts.rate_limit,
        "100/minute",
        "Requests a client (token subject, else address) may make, a batch counted by "
        "its homes; off for none.",
    ),
    Setting(
        "RATE_LIMIT_FALLBACK",
        casts.rate,
        "50/minute",
        "The same in each worker while Redis is away; never more than RATE_LIMIT.",
    ),
    Setting(
        "AUTH_FAILURE_LIMIT",
        casts.rate,
        "20/minute",
        "Failed authentications an address may make before 401 turns into 429.",
    ),
    Setting(
        "TRUSTED_PROXIES",
        casts.whole(0, 10),
        "0",
        "Proxies in front, exactly; with 0 X-Forwarded-For and -Proto are ignored.",
    ),
    Setting(
        "CORS_ORIGINS",
        casts.origins,
        "",
        "Web origins whose pages may call the API, separated by commas.",
    ),
    Setting(
        "MAX_RECORDS",
        casts.whole(1, 100_000),
        "1000",
        "Homes allowed in one request.",
    ),
    Setting(
        "MAX_CONTENT_LENGTH",
        casts.whole(1_000, 1_000_000_000),
        "2000000",
        "Bytes allowed in a request body.",
    ),
    Setting(
        "REFUSE_OUTSIDE_AREA",
        casts.flag,
        "false",
        "Answer 422, not a doubtful value, for zipcodes outside the training area.",
    ),
    Setting(
        "LOG_LEVEL",
        casts.one_of("debug", "info", "warning", "error"),
        "info",
        "Least severe log line to write.",
    ),
    Setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        casts.url("http", "https"),
        "",
        "OpenTelemetry collector that gets the traces, OTLP over HTTP, such as "
        "http://collector:4318; empty for none. Needs housing_app[otel].",
    ),
    Setting(
        "OTEL_EXPORTER_OTLP_HEADERS",
        casts.headers,
        "",
        "Headers for the collector, name=value separated by commas: its token.",
        secret=True,
    ),
    Setting(
        "OTEL_SERVICE_NAME",
        casts.word,
        "housing_app",
        "What the traces call this service.",
    ),
    Setting(
        "OTEL_TRACES_SAMPLER_ARG",
        casts.share,
        "1",
        "Share of the requests that are traced; of those with a traceparent, the "
        "caller decides.",
    ),
    Setting(
        "SENTRY_DSN",
        casts.dsn,
        "",
        "Sentry that gets the errors, without what was asked; empty for none. Needs "
        "housing_app[sentry].",
        secret=True,
    ),
    Setting(
        "PORT",
        casts.whole(1, casts.LAST_PORT),
        "8000",
        "Port of the server on 127.0.0.1.",
    ),
    Setting(
        "BIND",
        casts.address,
        "",
        "Address and port instead, such as 0.0.0.0:8000 in a container.",
    ),
    Setting(
        "WORKERS",
        casts.whole(1, 256),
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
    if not values.get("BIND") and "PORT" in values:
        values["BIND"] = f"127.0.0.1:{values['PORT']}"
    wrong += _contradictions(values)
    if wrong:
        raise ConfigError("; ".join(wrong))
    return values


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    """Return what each setting allows and all of them together do not."""
    found = []
    has_keys = bool(values.get("JWT_SECRET") or values.get("JWT_KEYS_FILE"))
    if values.get("HOUSING_ENV") == "production":
        needed = {
            "AUTH=jwt": values.get("AUTH", "jwt") == "jwt",
            "JWT_SECRET or JWT_KEYS_FILE": has_keys,
            "REDIS_URL (the shared rate limit)": values.get("REDIS_URL", "-"),
            "DATABASE_URL (the journal)": values.get("DATABASE_URL", "-"),
            "a RATE_LIMIT other than off": values.get("RATE_LIMIT") != "off",
        }
        missing = [name for name, given in needed.items() if not given]
        if missing:
            found.append("HOUSING_ENV=production needs " + ", ".join(missing))
    elif values.get("AUTH") == "jwt" and not has_keys:
        found.append("AUTH=jwt needs JWT_SECRET or JWT_KEYS_FILE")
    if values.get("CACHE") == "redis" and not values.get("REDIS_URL"):
        found.append("CACHE=redis needs REDIS_URL")
    if auth_needed(values, values.get("BIND", "")):
        found.append(
            f"BIND: {values['BIND']} is open to other machines and AUTH is off: set "
            "AUTH=jwt, or AUTH_OFF_ANYWHERE=true if something else guards the service"
        )
    return found


def auth_needed(values: Mapping[str, Any], bind: str) -> bool:
    """Say whether an address is too open for AUTH=off."""
    off = values.get("AUTH") == "off" and not values.get("AUTH_OFF_ANYWHERE")
    return off and bool(bind) and not casts.is_loopback(bind)


def masked(
    values: Mapping[str, Any], settings: Sequence[Setting] = SETTINGS
) -> dict[str, str]:
    """Return the settings as text, secrets hidden."""
    return {
        s.name: "********" if s.secret and values[s.name] else _text(values[s.name])
        for s in settings
    }


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return "" if value is None or value == {} else str(value)
