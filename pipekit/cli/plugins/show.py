"""`pipekit plugins show NAME`: everything about one plugin, by what it offers or its name."""

from __future__ import annotations

import sys
from typing import Any

import click

from pipekit import hookspecs
from pipekit.cli import complete
from pipekit.cli.disabled import why_disabled
from pipekit.cli.doctor.project import import_seconds
from pipekit.cli.help import Command
from pipekit.cli.options import json_option
from pipekit.cli.output import print_json, print_line, print_table, print_text
from pipekit.cli.plugins.loaded import Shown, broken_commands, load_all, offered
from pipekit.config.describe import default_text, settings_fields, type_words
from pipekit.config.problems import dotted
from pipekit.config.tables import SCRIPT, settings_path
from pipekit.errors import EXIT_USAGE, PipekitError, UsageError
from pipekit.model.names import did_you_mean
from pipekit.plugins.environment import current
from pipekit.process import ProcessSupervisor

_TABLES = {  # of pipekit.toml
    "stage": "stages",
    "policy": "lifecycle",
    "sink": "sinks",
    "executor": "executors",
}


@click.command(
    "show",
    cls=Command,
    arguments={"NAME": "What a plugin offers, such as a stage, or a distribution."},
    exits={EXIT_USAGE: "nothing of this name is installed"},
    example=("pipekit plugins show translator", "its settings, and where it comes from"),
)
@click.argument("name", shell_complete=complete.plugins)
@json_option
@click.pass_context
def show(ctx: click.Context, name: str, as_json: bool) -> int:
    """Show everything about one plugin.

    Its distribution and version, its settings with their help and defaults, how long its import
    takes in a process of its own, and, if it is broken, why and in which line.
    """
    plugins = load_all(ctx)
    everything = list(offered(plugins))
    found = [each for each in everything if name in (each.name, each.origin.distribution)]
    for origin in () if found else plugins.disabled:
        if name in (origin.name, origin.distribution):
            raise UsageError(f"{origin} is disabled by {why_disabled(ctx, origin)}")
    if not found:
        names = [each.name for each in everything]
        hint = did_you_mean(name, [*names, *(each.origin.distribution for each in everything)])
        hint = hint or "; `pipekit plugins list` shows what is"
        raise UsageError(f"nothing named {name!r} is installed{hint}")
    found = [_examined(each) for each in found]
    records = [_record(each) for each in found]
    if as_json:
        print_json(records)
        return 0
    for at, (each, record) in enumerate(zip(found, records, strict=True)):
        if at:
            print_line()
        _print(each, record)
    return 0


def _examined(each: Shown) -> Shown:
    """The same, with what is wrong with a command, which is imported only for this."""
    broken = broken_commands([each.origin]) if each.kind == "command" else []
    return each._replace(broken=broken[0]) if broken else each


def _record(each: Shown) -> dict[str, Any]:
    origin, module = each.origin, each.origin.value.partition(":")[0]
    loaded = sys.modules.get(module)
    known: dict[str, Any] = {
        "kind": each.kind,
        "name": each.name,
        "distribution": origin.distribution,
        "version": origin.version,
        "entry_point": f"{origin.name} = {origin.value}",
        "file": getattr(loaded, "__file__", None),
        "api": str(getattr(loaded, "PIPEKIT_API", "")) or None,
        "import_ms": _import_ms(module),
        "problem": each.broken.problem if each.broken else each.conflict or None,
        "where": each.broken.where if each.broken else None,
        "uninstall": current().uninstall(origin.distribution),
    }
    return known | {"settings": _settings(each)}


def _import_ms(module: str) -> int | None:
    try:
        return round(1000 * import_seconds(module, ProcessSupervisor()))
    except PipekitError:
        return None


def _settings(each: Shown) -> list[dict[str, Any]]:
    cls = getattr(each.spec, "settings", None)
    fields = settings_fields(cls) if cls else {}
    return [
        {
            "key": key,
            "type": type_words(field.type),
            "default": default_text(field),
            "required": field.required,
            "help": field.help,
        }
        for key, field in fields.items()
    ]


def _print(each: Shown, record: dict[str, Any]) -> None:
    print_line(f"{each.kind} {each.name}")
    api = record["api"]
    stated = f"API {api}" if api else f"no PIPEKIT_API stated, taken for {hookspecs.API_VERSION}"
    took = record["import_ms"]
    lines = {
        "from": f"{record['distribution']} {record['version']} ({record['entry_point']})",
        "file": record["file"],
        "for": None if each.kind == "command" or each.broken else stated,
        "import": None if took is None else f"{took} ms",
        "broken": record["problem"],
        "line": record["where"],
        "remove": record["uninstall"],
    }
    for label, text in lines.items():
        if text:
            print_text(str(text), f"  {label:<8}")
    if record["settings"]:
        path = settings_path(_TABLES[each.kind], each.name)
        table = "stages.NAME" if each.name == SCRIPT else dotted(path)
        print_line(f"  settings, in [{table}]:")
        head = ("key", "type", "default", "what it is for")
        rows = [
            (s["key"], s["type"], "required" if s["required"] else s["default"], s["help"])
            for s in record["settings"]
        ]
        print_table(head, rows)
