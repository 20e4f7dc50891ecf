"""The configuration: pipekit.toml, environment and flags, and where each value came from."""

from pipekit.config.loading import Configuration, load
from pipekit.config.sources import find_project

__all__ = ["Configuration", "find_project", "load"]
