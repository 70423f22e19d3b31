"""Every command explains itself."""

import click
import pytest

from housing_app.cli import (
    backup,
    database,
    demographics,
    drift,
    experiment,
    journal,
    model,
    openapi,
    outcomes,
    score,
    service,
    store,
    token,
)


def walk(command, *path):
    yield (*path, command.name), command
    for child in getattr(command, "commands", {}).values():
        yield from walk(child, *path, command.name)


COMMANDS = [
    found
    for top in (
        model.group,
        database.group,
        backup.group,
        demographics.group,
        experiment.group,
        drift.group,
        journal.group,
        openapi.command,
        outcomes.group,
        score.command,
        store.group,
        token.group,
        *service.COMMANDS,
    )
    for found in walk(top)
]


@pytest.mark.parametrize(
    ("path", "command"), COMMANDS, ids=[" ".join(path) for path, _ in COMMANDS]
)
def test_a_command_has_help(run, path, command):
    text = run.ok(*path, "--help")
    first_line = command.help.splitlines()[0]
    assert first_line in text
    assert first_line.endswith((".", "(JSON)."))


def test_every_command_of_the_package_is_registered(app):
    tops = {path[0] for path, _ in COMMANDS}
    services = {"config", "health", "info", "openapi", "score", "token", "value"}
    ours = {"backup", "db", "demographics", "drift", "experiment", "journal", "model"}
    ours |= {"outcomes", "store"}
    assert tops == ours | services
    assert tops <= set(app.cli.commands)


@pytest.mark.parametrize(
    ("path", "group"),
    [(p, c) for p, c in COMMANDS if isinstance(c, click.Group)],
    ids=lambda x: x[0] if isinstance(x, tuple) else "",
)
def test_a_group_lists_its_commands(run, path, group):
    text = run.ok(*path, "--help")
    assert all(f"\n  {name} " in text for name in group.commands)


@pytest.mark.parametrize(
    "arguments",
    [
        ("model", "nonsense"),
        ("model", "train"),
        ("model", "train", "--kind", "magic"),
        ("value", "--slot", "luxury"),
        ("score", "in.csv"),
        ("score", "in.xls", "out.csv"),
        ("value", "--interval", "0.95"),
        ("health", "x"),
        ("demographics", "build", "--output", "/"),
    ],
)
def test_a_wrong_call_exits_with_2_and_says_how_to_call(run, arguments):
    lines = run.fails(*arguments, code=2)
    assert lines[0].startswith("Usage: ")
    assert any(line.startswith("Error: ") for line in lines)
