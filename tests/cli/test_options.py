"""Every command with its arguments and options, as help and scripts have them."""

import inspect
from collections.abc import Callable, Iterator
from typing import get_args

import pytest
import typer

from recsys_nn.cli import app, config_app

COMMANDS = {
    " ".join([*above, command.name or command.callback.__name__.replace("_", "-")]): command.callback
    for above, of in (((), app), (("config",), config_app))
    for command in of.registered_commands
}


def described(function: Callable[..., None]) -> Iterator[str]:
    yield inspect.getdoc(function) or ""
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        accepted, info = get_args(parameter.annotation)
        plain = vars(typer.Option() if isinstance(info, typer.models.OptionInfo) else typer.Argument())
        told = {name: value for name, value in vars(info).items() if value != plain.get(name) and not callable(value)}
        default = "required" if parameter.default is parameter.empty else repr(parameter.default)
        yield f"{parameter.name}: {accepted} = {default} {told}"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_takes_what_it_says(name, snapshot):
    assert list(described(COMMANDS[name])) == snapshot


def test_commands_on_configs_are_a_group_of_their_own():
    assert [(group.name, group.typer_instance.info.help) for group in app.registered_groups] == [
        ("config", "Print configs and their schema.")
    ]
