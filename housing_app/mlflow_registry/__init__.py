"""Models in an MLflow registry: pushed with their figures, pulled and verified.

MLflow is an optional extra, imported inside the functions that talk to it. It keeps
files, versions, aliases and approvals; it loads nothing here and is believed nothing.
"""
