"""The operators' and data scientists' commands, all under `flask`."""

from flask import Flask

from housing_app.cli import demographics, judge, model, service

for _command in judge.COMMANDS:
    model.group.add_command(_command)


def init_app(app: Flask) -> None:
    """Register every command."""
    app.cli.add_command(demographics.group)
    app.cli.add_command(model.group)
    for command in service.COMMANDS:
        app.cli.add_command(command)
