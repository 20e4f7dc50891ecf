"""A project, opened: its configuration, plugins and folders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pipekit import config
from pipekit.config.explain import secrets
from pipekit.errors import ConfigError, UsageError
from pipekit.model.names import did_you_mean
from pipekit.model.run import Paths
from pipekit.model.specs import EventSink, LifecyclePolicy, StageSpec
from pipekit.plugins import loader as plugins
from pipekit.storage.files import FileManager

DEFAULT_SINKS = ("console",)  # used if no sink is configured


class Stage(NamedTuple):
    """A configured stage. `after`: see StageSpec. `problem`: why `spec` is None, else empty."""

    name: str
    spec: StageSpec | None
    version: str
    settings: Any
    after: Mapping[str, str]
    problem: str = ""


class Project(NamedTuple):
    """A project that is ready to run; made by `open_project`."""

    configuration: config.Configuration
    plugins: plugins.Plugins
    paths: Paths
    files: FileManager
    stages: tuple[Stage, ...]
    policies: tuple[tuple[LifecyclePolicy, Any], ...] = ()
    sinks: tuple[tuple[EventSink, Any], ...] = ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts to mask in output and reports."""
        return secrets(self.configuration)

    def versions(self) -> dict[str, str]:
        """Every usable plugin's distribution and version."""
        offered = [
            *self.plugins.stages.values(),
            *self.plugins.policies.values(),
            *self.plugins.sinks.values(),
        ]
        return {each.origin.distribution: each.origin.version for each in offered}


def load_plugins(configuration: config.Configuration, no_plugins: bool = False) -> plugins.Plugins:
    """Load the plugins that the configuration allows."""
    return plugins.load(
        allow=configuration.plugins.allow,
        deny=configuration.plugins.deny,
        builtins_only=no_plugins,
    )


def open_project(configuration: config.Configuration, no_plugins: bool = False) -> Project:
    """Load the plugins, and check everything that can be checked before a run.

    Raises MissingStageError if no plugin offers a configured stage, ConfigError with all problems
    of the plugins' settings.
    """
    found = load_plugins(configuration, no_plugins)
    if not configuration.pipeline.stages:
        raise ConfigError(
            [f'{configuration.file.name}: pipeline.stages is empty: add `stages = ["..."]`']
        )
    found.require_stages(configuration.pipeline.stages)
    problems: list[str] = []
    names = configuration.pipeline.stages
    stages = [_stage(configuration, found, name, problems) for name in names]
    policies = _chosen(configuration, "lifecycle", found.policies, configuration.policies, problems)
    sink_names = configuration.sinks or DEFAULT_SINKS
    sinks = _chosen(configuration, "sinks", found.sinks, sink_names, problems)
    if problems:
        raise ConfigError(problems)
    return Project(
        configuration=configuration,
        plugins=found,
        paths=configuration.folders,
        files=FileManager(configuration.root, configuration.pipeline.quiet_seconds),
        stages=tuple(in_order(stages)),
        policies=tuple(policies),
        sinks=tuple(sinks),
    )


def _stage(
    configuration: config.Configuration, found: plugins.Plugins, name: str, problems: list[str]
) -> Stage:
    broken = found.broken_stage(name)
    if name not in found.stages:
        return Stage(name=name, spec=None, version="", settings=None, after={}, problem=str(broken))
    installed = found.stages[name]
    spec: StageSpec = installed.spec
    configured = configuration.stages[name].after
    return Stage(
        name=name,
        spec=spec,
        version=installed.origin.version,
        settings=_settings(configuration, "stages", name, spec.settings, problems),
        after=spec.after if configured is None else configured,
    )


def _chosen(
    configuration: config.Configuration,
    kind: str,
    found: Mapping[str, plugins.Installed],
    names: Iterable[str],
    problems: list[str],
) -> list[tuple[Any, Any]]:
    """The policies or sinks that are configured, with their settings."""
    chosen = []
    for name in names:
        if name in found:
            spec = found[name].spec
            settings = _settings(configuration, kind, name, spec.settings, problems)
            chosen.append((spec, settings))
        else:
            hint = did_you_mean(name, found) or "; install its plugin"
            text = f"[{kind}.{name}] is configured, but no plugin offers it{hint}"
            problems += configuration.located((kind, name), text)
    return chosen


def _settings(
    configuration: config.Configuration,
    kind: str,
    name: str,
    cls: type | None,
    problems: list[str],
) -> Any:
    try:
        return configuration.settings_for(kind, name, cls)
    except ConfigError as error:
        problems += error.problems
        return None


def in_order(stages: Sequence[Stage]) -> list[Stage]:
    """The stages in the configured order, but each after those it depends on.

    Raises ConfigError if stages depend on each other in a circle.
    """
    names = {stage.name for stage in stages}
    waiting, ordered = list(stages), list[Stage]()
    while waiting:
        done = {stage.name for stage in ordered}
        ready = next((s for s in waiting if not (set(s.after) & names) - done), None)
        if ready is None:
            circle = ", ".join(stage.name for stage in waiting)
            raise ConfigError([f"these stages depend on each other in a circle: {circle}"])
        waiting.remove(ready)
        ordered.append(ready)
    return ordered


def selected(
    stages: Sequence[Stage],
    only: Sequence[str] = (),
    first: str | None = None,
    last: str | None = None,
) -> tuple[Stage, ...]:
    """The stages selected by `--only`, `--from` and `--until`. Raises UsageError."""
    names = [stage.name for stage in stages]
    for name in (*only, *filter(None, (first, last))):
        if name not in names:
            raise UsageError(f"unknown stage {name!r}; the stages are {', '.join(names)}")
    start = names.index(first) if first else 0
    end = names.index(last) + 1 if last else len(names)
    return tuple(s for s in stages[start:end] if not only or s.name in only)
