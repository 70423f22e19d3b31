"""housing_app: what a home is worth, how sure we are, and why."""

import os
from collections.abc import Mapping
from typing import Any

from flask import Flask

from housing_app import cli, config, errors, extensions, logs, metrics, ops, v1

__version__ = "0.1.0"


def create_app(overrides: Mapping[str, Any] | None = None) -> Flask:
    """Build the application; `overrides` replace settings, as tests need.

    Models are not loaded here but by wsgi.py (`traffic.install`), so that commands
    work while no model exists yet. Raises ConfigError over a bad setting.
    """
    app = Flask(__name__, static_folder=None)
    app.config.update(config.load(os.environ), VERSION=__version__)
    app.config.update(overrides or {})
    app.config["RATELIMIT_ENABLED"] = app.config["RATE_LIMIT"] != "off"
    app.json.sort_keys = False  # type: ignore[attr-defined]
    # First hooks first: a request has a name before anything can fail.
    logs.init_app(app)
    metrics.init_app(app)
    errors.init_app(app)
    extensions.limiter.init_app(app)
    extensions.exporter.init_app(app)
    app.register_blueprint(ops.blueprint)
    app.register_blueprint(v1.blueprint, url_prefix="/v1")
    cli.init_app(app)
    return app
