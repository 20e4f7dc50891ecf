"""`pipekit notify test`: sends each address a message."""

from __future__ import annotations

import click

from pipekit.commands import COLOURS, PluginCommand, print_text, project_root, sink_settings
from pipekit_notify.settings import Settings

_TEXT = "This is a test: pipekit can reach you here."
_SECONDS = 6.0  # somebody waits for each address that does not answer


@click.group("notify")
def command() -> None:
    """Messages about what goes wrong: the sink `notify`."""


@command.command(
    "test",
    cls=PluginCommand,
    exits={
        0: "every message was sent",
        1: "some messages could not be sent",
        3: "an invalid configuration",
    },
    example=("pipekit notify test mail", "a message to the address `mail`"),
)
@click.argument("addresses", nargs=-1, metavar="[ADDRESS]...")
@click.pass_context
def test(ctx: click.Context, addresses: tuple[str, ...]) -> int:
    """Send a message to each address, or to those that are named."""
    settings = sink_settings(ctx, "notify", Settings)
    unknown = [name for name in addresses if name not in settings.addresses]
    if unknown:
        known = ", ".join(settings.addresses)
        raise click.BadParameter(f"there is no address {unknown[0]!r}; there are: {known}")
    from pipekit_notify.send import SendError, send  # loads Apprise

    project = settings.name or project_root(ctx).resolve().name
    worked = True
    for name in addresses or settings.addresses:
        title = f"{project}: test"
        try:
            send(settings.addresses[name], title, _TEXT, "info", seconds=_SECONDS)
        except SendError as error:
            worked = False
            print_text(f"not sent: {error}", click.style(f"{name} ", fg=COLOURS["failure"]))
        else:
            print_text("sent", f"{name} ")
    return 0 if worked else 1
