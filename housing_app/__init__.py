"""housing_app: what a home is worth, how sure we are, and why."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask

__version__ = "0.1.0"


def create_app(overrides: Mapping[str, Any] | None = None) -> "Flask":
    """Build the application; `overrides` replace settings, as tests need.

    Models are not loaded here but by wsgi.py (`traffic.install`), so that commands
    work while no model exists yet. Raises ConfigError over a bad setting.
    """
    # Here: what needs one part, a trial of a model, need not load them all.
    from flask import Flask
    from werkzeug.middleware.proxy_fix import ProxyFix

    from housing_app import (
        auth,
        background,
        cache,
        cli,
        config,
        database,
        demographics_sql,
        drift,
        error_reports,
        errors,
        extensions,
        headers,
        journal,
        logs,
        metrics,
        model_store,
        ops,
        outcomes,
        site,
        tracing,
        traffic,
        v1,
    )

    app = Flask(__name__, static_folder=None)
    app.config.update(config.load(os.environ), VERSION=__version__)
    app.config.update(overrides or {})
    app.json.sort_keys = False  # type: ignore[attr-defined]
    # Every view and hook is synchronous; Flask would ask each of them, each time.
    app.ensure_sync = lambda func: func  # type: ignore[method-assign]
    if hops := app.config["TRUSTED_PROXIES"]:
        app.wsgi_app = ProxyFix(app.wsgi_app, hops, hops)  # type: ignore[method-assign]
    background.init_app(app)
    database.init_app(app)
    demographics_sql.init_app(app)
    # First hooks first: a request has a name before anything can fail.
    logs.init_app(app)
    tracing.init_app(app)
    error_reports.init_app(app)
    metrics.init_app(app)
    errors.init_app(app)
    headers.init_app(app)
    auth.init_app(app, on_failure=extensions.limiter.count_failure)
    extensions.limiter.init_app(app)
    journal.init_app(app)
    cache.init_app(app)
    outcomes.init_app(app)
    traffic.init_app(app, journal.record_shadow)
    drift.init_app(app)
    extensions.exporter.init_app(app)
    model_store.init_app(app)
    app.register_blueprint(ops.blueprint)
    app.register_blueprint(v1.blueprint, url_prefix="/v1")
    app.register_blueprint(site.blueprint)
    v1.lifecycle.init_app(app)
    cli.init_app(app)
    return app
