"""How much a client may ask for: fixed windows, counted in Redis or in memory.

Flask-Limiter keeps the stores; one limit holds for all routes, so nothing is looked up,
and one request is one round trip. Why: docs/decisions/008.
"""

import ipaddress
import math
from collections.abc import Mapping
from time import time
from typing import Any, NamedTuple
from zlib import crc32

import flask_limiter
import limits
from flask import Flask, Response, current_app, g, request
from flask_limiter.util import get_remote_address
from limits.storage import Storage
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from housing_app import checks, metrics
from housing_app.breaker import Breaker
from housing_app.counters import Counters

_TIMEOUT_SECONDS = 0.1
_KEY = "housing_app.limits"


class Policy(NamedTuple):
    """Allow so many units in a window of so many seconds."""

    name: str
    amount: int
    seconds: int

    def __str__(self) -> str:
        return f"{self.amount} in {self.seconds} s"


def policy(name: str, text: str) -> Policy:
    """Return the policy that a setting such as 100/minute describes."""
    item = limits.parse(text)
    return Policy(name, item.amount, item.get_expiry())


class Count(NamedTuple):
    """Tell whether a cost was granted, what is used, and when the window ends."""

    granted: bool
    used: int
    wait: float  # seconds


class RateLimited(Exception):  # noqa: N818 - an answer, as Problem is
    """Refuse a request until `wait` seconds have passed."""

    def __init__(self, policy: Policy, cost: int, count: Count) -> None:
        self.wait = max(1, math.ceil(count.wait))
        detail = f"the limit is {policy}; try again in {self.wait} s"
        if cost > 1:
            left = max(0, policy.amount - count.used)
            detail = f"{cost} more homes, and {left} are left: {detail}"
        super().__init__(detail)


def take(store: Storage, policy: Policy, who: str, homes: int, paid: int = 0) -> Count:
    """Count the homes not paid for yet, if they fit: one round trip.

    A batch of more homes than the limit costs all of it. What is refused is given back.
    Clocks tell the windows, each client's at a time of its own.
    """
    cost = min(homes, policy.amount) - paid
    shifted = time() + crc32(who.encode()) % policy.seconds
    window, passed = divmod(shifted, policy.seconds)
    key = f"{policy.name}:{policy.seconds}:{who}:{window:.0f}"
    used = store.incr(key, policy.seconds, amount=cost)
    granted = used <= policy.amount
    if not granted and cost > 1:
        used = store.incr(key, policy.seconds, amount=-cost)
    return Count(granted, used, policy.seconds - passed)


class _Quota:
    """Count by one policy, and by a lower one while the shared store is away."""

    def __init__(
        self,
        normal: Policy,
        fallback: Policy,
        shared: Storage | None,
        memory: Storage,
        breaker: Breaker,
    ) -> None:
        lower = min(normal, fallback, key=lambda p: p.amount / p.seconds)
        self._normal = normal
        self._shared = shared
        # With a shared store, memory is only for when that is away.
        self.own = lower._replace(name=fallback.name) if shared else normal
        self._memory = memory
        self._breaker = breaker

    def take(self, who: str, homes: int, paid: int) -> tuple[Policy, Count]:
        if self._shared and self._breaker.allows():
            try:
                found = take(self._shared, self._normal, who, homes, paid)
            except (RedisError, OSError) as error:
                self._breaker.failed(type(error).__name__)
            else:
                self._breaker.worked()
                return self._normal, found
        return self.own, take(self._memory, self.own, who, homes, paid)


class Limiter(flask_limiter.Limiter):
    """Limit every request but those of exempt blueprints; one for all apps."""

    def __init__(self) -> None:
        super().__init__(get_remote_address, strategy="fixed-window")

    def init_app(self, app: Flask) -> None:
        """Count requests by the app's settings."""
        settings = app.config
        settings["RATELIMIT_STORAGE_URI"] = _storage_uri(settings)
        settings["RATELIMIT_STORAGE_OPTIONS"] = {
            "socket_timeout": _TIMEOUT_SECONDS,
            "socket_connect_timeout": _TIMEOUT_SECONDS,
            "retry": Retry(NoBackoff(), 0),  # a slow try is followed by no other
            "key_prefix": "housing:limit",
        }
        # Where it finds itself here, Flask-Limiter leaves out its own hooks.
        app.extensions.setdefault("limiter", set()).add(self)
        super().init_app(app)
        shared = self.storage if settings["REDIS_URL"] else None
        # Keys begin with the policy's name: one memory does for both quotas.
        memory = Counters() if shared else self.storage
        breaker = Breaker("rate limits")
        failures = policy("authentication", settings["AUTH_FAILURE_LIMIT"])
        quotas = {"failures": _Quota(failures, failures, shared, memory, breaker)}
        if settings["RATE_LIMIT"] != "off":
            fallback = policy("fallback", settings["RATE_LIMIT_FALLBACK"])
            normal = policy("default", settings["RATE_LIMIT"])
            quotas["requests"] = _Quota(normal, fallback, shared, memory, breaker)
        app.extensions[_KEY] = quotas
        checks.add(app, "rate_limits", lambda: _state(breaker, quotas, shared))
        app.before_request(self._count)
        app.after_request(_describe)

    def spend(self, homes: int) -> None:
        """Take the homes of a request that has paid for one, or raise RateLimited."""
        if homes > 1:
            _take("requests", _client(), homes, paid=1)

    def count_failure(self) -> None:
        """Take one of the address's failed authentications, or raise RateLimited."""
        _take("failures", _address(), 1)

    def _count(self) -> None:
        is_probe = request.blueprint in self._blueprint_exemptions or _is_scrape()
        if not is_probe and request.method != "OPTIONS":
            _take("requests", _client(), 1)


def _state(
    breaker: Breaker, quotas: Mapping[str, _Quota], shared: Storage | None
) -> dict[str, Any]:
    """Say where this worker counts, and by which limits while Redis is away."""
    if not breaker.is_open:
        return {"status": checks.OK, "store": "redis" if shared else "memory"}
    limits = ", ".join(f"{quota.own.name} {quota.own}" for quota in quotas.values())
    detail = f"Redis fails ({breaker.reason}); this worker limits by itself: {limits}"
    return {"status": checks.DEGRADED, "store": "memory", "detail": detail}


def _storage_uri(settings: Mapping[str, Any]) -> str:
    """Return where to count, as Flask-Limiter writes it."""
    url: str = settings["REDIS_URL"]
    return f"redis+{url}" if url.startswith("unix:") else url or "counters://"


def _is_scrape() -> bool:
    return request.endpoint == "prometheus_metrics"


def _take(name: str, who: str, homes: int, paid: int = 0) -> None:
    quota = current_app.extensions[_KEY].get(name)
    if quota is None:
        return
    policy, count = quota.take(who, homes, paid)
    g.quota = policy, count
    if not count.granted:
        metrics.rate_limited.labels(policy.name).inc()
        raise RateLimited(policy, homes - paid, count)


def _client() -> str:
    return f"s:{g.subject}" if g.subject else _address()


def _address() -> str:
    """Return the client's address; of IPv6 the /64, which one client has to itself."""
    address = request.remote_addr or "none"
    if ":" not in address:
        return f"a:{address}"
    return f"a:{ipv6_network(address)}"


def ipv6_network(address: str) -> str:
    """Return the first 64 bits of an IPv6 address; IPv4 inside it stays whole."""
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    return str(found.ipv4_mapped or ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))


def _describe(response: Response) -> Response:
    """Say what is left (draft-ietf-httpapi-ratelimit-headers-10)."""
    quota = g.get("quota")
    if quota:
        policy, count = quota
        left = max(0, policy.amount - count.used)
        headers = response.headers
        headers["RateLimit-Policy"] = (
            f'"{policy.name}";q={policy.amount};w={policy.seconds}'
        )
        headers["RateLimit"] = f'"{policy.name}";r={left};t={math.ceil(count.wait)}'
    return response
