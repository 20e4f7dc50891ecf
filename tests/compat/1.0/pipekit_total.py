"""The command `pipekit total`: how many lines the stage `lines` has counted."""

import click

from pipekit.commands import PluginCommand, print_table, project_root


@click.command("total", cls=PluginCommand, example=("pipekit total", "the lines of each file"))
@click.pass_context
def command(ctx):
    """Show how many lines the stage lines has counted."""
    files = sorted(project_root(ctx).glob("data/out/*.lines"))
    if not files:
        click.echo("nothing counted yet; start a run with `pipekit run`", err=True)
        return 1
    counts = [(file.stem, int(file.read_text())) for file in files]
    total = sum(count for _, count in counts)
    print_table(("file", "lines"), [*counts, ("total", total)], left=1, bold=[len(counts)])
    return 0
