"""The empty Flask JSON view that everything is measured against."""

from flask import Flask

app = Flask("empty")
app.add_url_rule("/v1/predict", "empty", lambda: {"price": 1}, methods=["POST", "GET"])
