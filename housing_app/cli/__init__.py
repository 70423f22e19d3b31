"""The operators' and data scientists' commands, all under `flask`."""

from flask import Flask

from housing_app.cli import (
    backup,
    database,
    demographics,
    drift,
    experiment,
    gate,
    journal,
    judge,
    mlflow,
    model,
    openapi,
    outcomes,
    registry,
    retrain,
    score,
    service,
    store,
    token,
)

for _commands in (judge, gate, retrain, registry, mlflow):
    for _command in _commands.COMMANDS:
        model.group.add_command(_command)


def init_app(app: Flask) -> None:
    """Register every command."""
    app.cli.add_command(backup.group)
    app.cli.add_command(database.group)
    app.cli.add_command(demographics.group)
    app.cli.add_command(experiment.group)
    app.cli.add_command(drift.group)
    app.cli.add_command(journal.group)
    app.cli.add_command(model.group)
    app.cli.add_command(openapi.command)
    app.cli.add_command(outcomes.group)
    app.cli.add_command(score.command)
    app.cli.add_command(store.group)
    app.cli.add_command(token.group)
    for command in service.COMMANDS:
        app.cli.add_command(command)
