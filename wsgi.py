"""What gunicorn serves: the app with its models in place.

Loaded once in a preloading master, so that every worker is born with the models.
"""

import sys

from housing_app import create_app, database, journal, traffic
from housing_app.config import ConfigError
from housing_app.valuation.errors import ValuationError

try:
    app = create_app()
    database.prepare(app)
    traffic.install(app.config)
    journal.prepare(app)
except (ConfigError, ValuationError) as error:
    # An operator's mistake deserves a line that says what to do, not a traceback.
    sys.exit(f"housing_app cannot start: {error}")
