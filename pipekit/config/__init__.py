"""The configuration: pipekit.toml, environment and flags, and where each value came from."""

from pipekit.config.loading import Configuration, load
from pipekit.config.sources import find_project
from pipekit.config.tables import PathsConfig

__all__ = ["Configuration", "PathsConfig", "find_project", "load"]
