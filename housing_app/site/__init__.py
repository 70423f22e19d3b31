"""Pages for people and what they are made of; nothing comes from elsewhere."""

from housing_app.site.pages import blueprint

__all__ = ["blueprint"]
