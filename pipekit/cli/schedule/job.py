"""What of the configuration a scheduled job needs."""

from __future__ import annotations

import click

from pipekit.cli.common import configuration
from pipekit.config import Configuration
from pipekit.read.schedule import JOB_TABLES


def schedule_settings(ctx: click.Context) -> Configuration:
    """The part of the configuration; not its secrets, which may be another user's."""
    return configuration(ctx, tables=JOB_TABLES)
