"""A project, opened: its configuration, plugins and folders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from attrs import fields, has

from pipekit import config
from pipekit.config.explain import secrets
from pipekit.errors import ConfigError, PluginError, UsageError
from pipekit.model.names import did_you_mean
from pipekit.model.run import Paths
from pipekit.model.specs import EventSink, Executor, LifecyclePolicy, StageSpec
from pipekit.model.status import FailureKind
from pipekit.plugins import loader as plugins
from pipekit.plugins.isolation import CALL_TIMEOUT, call_each
from pipekit.storage.files import FileManager

DEFAULT_SINKS = ("console",)  # used if no sink is configured


class Stage(NamedTuple):
    """A configured stage. `after`: see StageSpec. `plan_timeout`: seconds. `back_off`: runs.

    `problem`: why `spec` is None, else empty; `kind`: the kind of this failure.
    """

    name: str
    spec: StageSpec | None
    version: str
    settings: Any
    after: Mapping[str, str]
    plan_timeout: float = CALL_TIMEOUT
    back_off: int = 1
    problem: str = ""
    kind: FailureKind = FailureKind.PLUGIN


class Project(NamedTuple):
    """A project that is ready to run; made by `open_project`."""

    configuration: config.Configuration
    plugins: plugins.Plugins
    paths: Paths
    files: FileManager
    stages: tuple[Stage, ...]
    policies: tuple[tuple[LifecyclePolicy, Any], ...] = ()
    sinks: tuple[tuple[EventSink, Any], ...] = ()
    executors: Mapping[str, tuple[Executor, Any]] = MappingProxyType({})

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts to mask in output and reports."""
        return secrets(self.configuration)

    def versions(self) -> dict[str, str]:
        """Every usable plugin's distribution and version."""
        offered = self.plugins.offered()
        return {each.origin.distribution: each.origin.version for each in offered}


def load_plugins(
    configuration: config.Configuration, no_plugins: bool = False, *, configured: bool = False
) -> plugins.Plugins:
    """Load the plugins that the configuration allows; `configured`: no more than it needs."""
    needed = [
        *(f"stage {configuration.offered_as(name)}" for name in configuration.pipeline.stages),
        *(f"policy {name}" for name in configuration.policies),
        *(f"sink {name}" for name in configuration.sinks or DEFAULT_SINKS),
        *(f"executor {name}" for name in _executors(configuration)),
    ]
    return plugins.load(
        needed=needed if configured else None,
        timeouts={
            configuration.offered_as(name): stage.plan_timeout
            for name, stage in configuration.stages.items()
        },
        allow=configuration.plugins.allow,
        deny=configuration.plugins.deny,
        builtins_only=no_plugins,
    )


def open_project(configuration: config.Configuration, no_plugins: bool = False) -> Project:
    """Load the plugins, and check everything that can be checked before a run.

    Raises MissingStageError if no plugin offers a configured stage, ConfigError with all problems
    of the plugins' settings.
    """
    if not configuration.pipeline.stages:
        raise ConfigError(
            [f'{configuration.file.name}: pipeline.stages is empty: add `stages = ["..."]`']
        )
    found = load_plugins(configuration, no_plugins, configured=True)
    names = configuration.pipeline.stages
    found.require_stages({name: configuration.offered_as(name) for name in names})
    configured: dict[str, Iterable[str]] = {
        "stages": names,
        "lifecycle": configuration.policies,
        "sinks": configuration.sinks or DEFAULT_SINKS,
        "executors": _executors(configuration),
    }
    settings = PluginSettings(configuration, found, configured)
    problems = settings.problems
    stages = [_stage(configuration, found, name, settings) for name in names]
    policies = [
        (LifecyclePolicy(name, _raises(problem)) if problem else spec, made)
        for name, spec, made, problem in _chosen("lifecycle", found.policies, found, settings)
    ]
    sinks = [
        (EventSink(name, _raises(problem)) if problem else spec, made)
        for name, spec, made, problem in _chosen("sinks", found.sinks, found, settings)
    ]
    executors = {
        name: (Executor(name, _raises(problem)) if problem else spec, made)
        for name, spec, made, problem in _chosen("executors", found.executors, found, settings)
    }
    if problems:
        raise ConfigError(problems)
    return Project(
        configuration=configuration,
        plugins=found,
        paths=configuration.folders,
        files=FileManager(
            configuration.root,
            configuration.pipeline.quiet_seconds,
            inputs=configuration.paths.inputs,
        ),
        stages=tuple(in_order(stages)),
        policies=tuple(policies),
        sinks=tuple(sinks),
        executors=executors,
    )


def _executors(configuration: config.Configuration) -> list[str]:
    """The executors that the stages of the project name, each once."""
    return list(dict.fromkeys(map(configuration.executor_of, configuration.pipeline.stages)))


def _stage(
    configuration: config.Configuration, found: plugins.Plugins, name: str, made: PluginSettings
) -> Stage:
    limits = configuration.stages[name]
    offered_as = configuration.offered_as(name)
    if offered_as not in found.stages:
        broken = found.broken_plugin(offered_as)
        late = broken is not None and broken.timed_out
        hint = f"; stages.{name}.plan_timeout sets the limit" if late else ""
        return Stage(
            name=name,
            spec=None,
            version="",
            settings=None,
            after=limits.after or {},
            problem=f"{broken}{hint}",
            kind=FailureKind.TIMEOUT if late else FailureKind.PLUGIN,
        )
    installed = found.stages[offered_as]
    spec: StageSpec = installed.spec
    settings, problem = made.of("stages", name)
    return Stage(
        name=name,
        spec=None if problem else spec,
        version=installed.origin.version,
        settings=settings,
        after=spec.after if limits.after is None else limits.after,
        plan_timeout=limits.plan_timeout,
        back_off=limits.back_off,
        problem=problem,
    )


def _chosen(
    kind: str,
    offered: Mapping[str, plugins.Installed],
    found: plugins.Plugins,
    made: PluginSettings,
) -> Iterator[tuple[str, Any, Any, str]]:
    """What is configured of this kind: name, spec, settings, and why it is unusable.

    Not for stages. One that is unusable raises when it is used: the sink is then dropped, no file
    may go, and no task is started.
    """
    for name in made.configured[kind]:
        if name in offered:
            yield name, offered[name].spec, *made.of(kind, name)
        elif broken := found.broken_plugin(name):
            yield name, None, None, str(broken)
        else:
            text = f"[{kind}.{name}] is configured, but no plugin offers it"
            if kind == "executors":
                text = f"no installed plugin offers the executor {name!r}"
            hint = did_you_mean(name, offered)
            if found.broken:  # one of them may well be the plugin that is meant
                text += f". Plugins with errors: {'; '.join(map(str, found.broken))}"
            text += hint or ("" if found.broken else "; install its plugin")
            made.problems += made.configuration.located((kind, name), text)


def _raises(problem: str) -> Callable[..., NoReturn]:
    def refuse(*_: object) -> NoReturn:
        raise PluginError(problem)

    return refuse


class PluginSettings:
    """The settings of what plugins offer; `configured`: which, by their kind.

    `problems`: sentences about values that do not fit.
    """

    def __init__(
        self,
        configuration: config.Configuration,
        found: plugins.Plugins,
        configured: Mapping[str, Iterable[str]],
    ) -> None:
        self.configuration = configuration
        self.configured = configured
        self.problems: list[str] = []
        offered = {
            "stages": found.stages,
            "lifecycle": found.policies,
            "sinks": found.sinks,
            "executors": found.executors,
        }
        specs = {
            (kind, name): offered[kind][offered_as].spec
            for kind, names in self.configured.items()
            for name in names
            if (offered_as := configuration.offered_as(name) if kind == "stages" else name)
            in offered[kind]
        }
        calls = [
            (partial(self._make, kind, name, spec.settings), CALL_TIMEOUT)
            for (kind, name), spec in specs.items()
        ]
        self._outcomes = dict(zip(specs, call_each(calls), strict=True))
        self.problems += self._shared()

    def of(self, kind: str, name: str) -> tuple[Any, str]:
        """The settings, and a sentence if the plugin's own code for them fails."""
        outcome = self._outcomes[kind, name]
        problem = f"its settings cannot be used: {outcome.fault}" if outcome.fault else ""
        return outcome.value, problem

    def faults(self) -> list[str]:
        """A sentence for each whose plugin's own code for its settings fails."""
        return [
            f"{kind}.{name}: its settings cannot be used: {outcome.fault}"
            for (kind, name), outcome in self._outcomes.items()
            if outcome.fault
        ]

    def _shared(self) -> list[str]:
        """A sentence for each folder that two stages publish to."""
        first: dict[str, tuple[str, str]] = {}
        problems = []
        for (kind, name), outcome in self._outcomes.items():
            if kind != "stages" or outcome.fault or not has(type(outcome.value)):
                continue
            for field in fields(type(outcome.value)):
                publishes = field.metadata.get("publishes", False)
                if not (publishes(outcome.value) if callable(publishes) else publishes):
                    continue
                folder = str(getattr(outcome.value, field.name)).rstrip("/")
                other, key = first.setdefault(folder, (name, field.name))
                if other != name:
                    problems.append(
                        f"stages.{name}.settings.{field.name}: the stage {other!r} publishes to "
                        f"{folder} as well ({key}), so their files would be mixed: give each a "
                        "folder of its own"
                    )
        return problems

    def _make(self, kind: str, name: str, cls: type | None) -> Any:
        try:
            return self.configuration.settings_for(kind, name, cls)
        except ConfigError as error:
            self.problems += error.problems
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
