"""The command `pipekit dashboard`. The server is imported when it is started."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import click

from pipekit import PipekitError
from pipekit.commands import PluginCommand, project_root

_PORT = 8765


def _origin(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str:
    """Where TLS ends, without a path."""
    parts = urlsplit(value or "")
    if value and (parts.scheme != "https" or not parts.hostname or parts.path.strip("/")):
        raise click.BadParameter("write it as https://NAME, as browsers will see it")
    return f"https://{parts.netloc.lower()}" if value else ""


@click.command(
    "dashboard",
    cls=PluginCommand,
    exits={0: "stopped by Ctrl-C or SIGTERM", 3: "no project, or the port is in use"},
    example=("pipekit dashboard -C ~/bars -C ~/news", "two projects side by side"),
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=_PORT,
    show_default=True,
    help="Port to listen on; 0 = any free one.",
)
@click.option(
    "-C",
    "--project",
    "folders",
    multiple=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Project folder; repeatable.",
)
@click.option(
    "--actions", is_flag=True, help="Allow run, stop, hold, release and restore from the page."
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; one that is not local needs --origin.",
)
@click.option(
    "--origin",
    metavar="URL",
    callback=_origin,
    help="Where browsers find it: the https address of a proxy in front that does TLS.",
)
@click.pass_context
def command(
    ctx: click.Context,
    port: int,
    folders: Sequence[Path],
    actions: bool,
    host: str,
    origin: str,
) -> int:
    """Show projects in the browser, and follow their runs.

    It prints an address with a token, which the browser swaps for a cookie. Looking changes
    nothing, and no run waits for it; --actions adds buttons. Ctrl-C stops it.
    """
    try:
        is_local = ip_address(host).is_loopback
    except ValueError:
        raise click.BadParameter("write an IP address, such as 127.0.0.1 or ::1") from None
    if not is_local and not origin:
        raise PipekitError(
            f"{host} can be reached by others, and the token must not travel unencrypted: put a "
            "proxy with TLS in front and name it with --origin https://NAME, or leave out --host"
        )
    roots = list(folders) or [project_root(ctx)]
    from pipekit_dashboard.server import serve  # loads the web server, which --help does not need

    return serve(roots, host, port, origin=origin, actions=actions)
