"""Pages for people; no script, nothing from elsewhere."""

from housing_app.site.pages import blueprint

__all__ = ["blueprint"]
