"""Loads plugins one by one, so that a broken plugin does not affect the others."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

import pluggy

from pipekit import hookspecs
from pipekit.errors import MissingStageError, PluginError
from pipekit.model.names import did_you_mean
from pipekit.model.specs import EventSink, Executor, LifecyclePolicy, StageSpec
from pipekit.plugins.disabled import disabled_by
from pipekit.plugins.entrypoints import EntryPoint, entry_points
from pipekit.plugins.isolation import CALL_TIMEOUT, call_each

NO_API = (
    f' does not say for which API it was written: add PIPEKIT_API = "{hookspecs.API_VERSION}" to it'
)

_HOOKS: dict[str, tuple[type, str]] = {
    "pipekit_stages": (StageSpec, "stage"),
    "pipekit_lifecycle_policies": (LifecyclePolicy, "policy"),
    "pipekit_event_sinks": (EventSink, "sink"),
    "pipekit_executors": (Executor, "executor"),
}


class Installed(NamedTuple):
    """What a plugin offers, of which kind, and the entry point of the plugin."""

    kind: str
    spec: Any
    origin: EntryPoint

    @property
    def name(self) -> str:
        """The name of what is offered."""
        return str(self.spec.name)


class BrokenPlugin(NamedTuple):
    """A plugin that cannot be loaded, and why; `traceback`: its last lines."""

    origin: EntryPoint
    problem: str
    timed_out: bool = False
    traceback: str = ""

    @property
    def where(self) -> str:
        """The line of its code that failed, as `/folder/module.py:12`; empty if there is none."""
        found = re.findall(r'^ *File "([^"]+)", line (\d+)', self.traceback, re.MULTILINE)
        places = [f"{file}:{line}" for file, line in found if _may_be_a_plugins(file)]
        return places[-1] if places else ""

    def __str__(self) -> str:
        return f"plugin {self.origin} cannot be loaded: {self.problem}"


def _may_be_a_plugins(file: str) -> bool:
    """Whether a file is neither Python's nor ours: nobody mends those."""
    ours, pythons = os.path.dirname(os.path.dirname(__file__)), os.path.dirname(os.__file__)
    installed = "site-packages" in file or "dist-packages" in file  # which may lie below Python's
    return not file.startswith(("<", ours)) and (installed or not file.startswith(pythons))


class Plugins(NamedTuple):
    """The loaded plugins: what they offer by name, and which are broken, disabled or in conflict.

    `rivals`: the plugins of each conflict. `warnings`: sentences about plugins that can be used.
    `without_api`: plugins that do not state their `PIPEKIT_API`.
    """

    stages: dict[str, Installed]
    policies: dict[str, Installed]
    sinks: dict[str, Installed]
    executors: dict[str, Installed]
    broken: tuple[BrokenPlugin, ...]
    disabled: tuple[EntryPoint, ...]
    conflicts: dict[str, str]
    warnings: tuple[str, ...] = ()
    without_api: tuple[EntryPoint, ...] = ()
    rivals: Mapping[str, Sequence[Installed]] = MappingProxyType({})

    def offered(self) -> list[Installed]:
        """Everything that can be used: stages, policies, sinks, executors."""
        kinds = (self.stages, self.policies, self.sinks, self.executors)
        return [installed for kind in kinds for installed in kind.values()]

    def require_stages(self, stages: Mapping[str, str]) -> None:
        """Raise MissingStageError unless each stage is offered, or its plugin is broken.

        `stages`: the name in the project → the name by which a plugin offers it.
        """
        absent = [self._missing(*each) for each in stages.items() if each[1] not in self.stages]
        problems = [problem for problem in absent if problem]
        if problems:
            raise MissingStageError("\n".join(problems))

    def broken_plugin(self, name: str) -> BrokenPlugin | None:
        """The broken plugin whose entry point has this name, of whatever it offers."""
        return next((broken for broken in self.broken if broken.origin.name == name), None)

    def _missing(self, stage: str, name: str) -> str | None:
        if f"stage {name}" in self.conflicts:
            return self.conflicts[f"stage {name}"]
        if self.broken_plugin(name):
            return None
        for origin in self.disabled:
            if origin.name == name:
                return f"stage {stage!r} is configured, but its plugin {origin} is disabled"
        configured = f"stage {stage!r} is configured"
        used = "" if name == stage else f" to use {name!r}"
        text = f"{configured}{used}, but no installed plugin offers {name if used else 'it'}"
        hint = did_you_mean(name, self.stages)
        if self.broken:  # one of them may well be the plugin of this stage
            return f"{text}. Plugins with errors: {'; '.join(map(str, self.broken))}{hint}"
        remedy = (
            "install its plugin (`pipekit plugins doctor` says how), write a `command` into its "
        )
        return f"{text}{hint or f'; {remedy}table, or remove it from `stages`'}"


def load(
    *,
    needed: Collection[str] | None = None,
    timeouts: Mapping[str, float] = MappingProxyType({}),
    allow: Sequence[str] | None = None,
    deny: Sequence[str] = (),
    builtins_only: bool = False,
    path: Sequence[str] | None = None,
) -> Plugins:
    """Import plugins that are not disabled, each in isolation, and collect what they offer.

    `needed`: what the caller needs, as `stage NAME`, `sink NAME` and so on (default: all).
    Plugins whose entry points have these names are imported, others only if that is not enough.
    `timeouts`: seconds, by the name of an entry point. `allow` and `deny` name distributions or
    entry points. An error in a plugin is not raised: see `Plugins.broken`.
    """
    loading, enabled, disabled = _Loading(timeouts), list[EntryPoint](), list[EntryPoint]()
    for origin in entry_points(hookspecs.GROUP, path):
        off = disabled_by(origin, builtins_only=builtins_only, allow=allow, deny=deny)
        (disabled if off else enabled).append(origin)
    if needed is None:
        loading.add(enabled)
    else:
        names = {key.partition(" ")[2] for key in needed}
        by_name = [origin for origin in enabled if origin.name in names]
        for origins in (by_name, [p for p in enabled if p not in by_name]):
            if loading.missing(needed):
                loading.add(origins)
    return loading.result(disabled)


class _Loading:
    """The plugins loaded so far."""

    def __init__(self, timeouts: Mapping[str, float]) -> None:
        self._timeouts = timeouts
        self._usable: list[Installed] = []
        self._broken: list[BrokenPlugin] = []
        self._warnings: list[str] = []
        self._without_api: list[EntryPoint] = []

    def add(self, origins: Sequence[EntryPoint]) -> None:
        loads = [
            (partial(_load_one, origin), self._timeouts.get(origin.name, CALL_TIMEOUT))
            for origin in origins
        ]
        for origin, done in zip(origins, call_each(loads), strict=True):
            if done.fault is None:
                offered, states_api = done.value
                self._usable += offered
                self._without_api += [] if states_api else [origin]
            else:
                fault = done.fault
                broken = BrokenPlugin(origin, fault.located, fault.timed_out, fault.traceback)
                self._broken.append(broken)
            if done.left:
                self._warnings.append(f"plugin {origin}: its import {done.left}")

    def missing(self, needed: Iterable[str]) -> set[str]:
        """What no loaded plugin offers, unless a broken one has this name."""
        offered = {f"{installed.kind} {installed.name}" for installed in self._usable}
        broken = {broken.origin.name for broken in self._broken}
        return {key for key in set(needed) - offered if key.partition(" ")[2] not in broken}

    def result(self, disabled: Iterable[EntryPoint]) -> Plugins:
        rivals = _rivals(self._usable)
        conflicts = {key: _conflict(group) for key, group in rivals.items()}
        by_kind: dict[str, dict[str, Installed]] = {kind: {} for _, kind in _HOOKS.values()}
        for installed in self._usable:
            if f"{installed.kind} {installed.name}" not in conflicts:
                by_kind[installed.kind][installed.name] = installed
        return Plugins(
            stages=by_kind["stage"],
            policies=by_kind["policy"],
            sinks=by_kind["sink"],
            executors=by_kind["executor"],
            broken=tuple(self._broken),
            disabled=tuple(disabled),
            conflicts=conflicts,
            warnings=tuple(self._warnings),
            without_api=tuple(self._without_api),
            rivals=rivals,
        )


def _load_one(origin: EntryPoint) -> tuple[list[Installed], bool]:
    """What a plugin offers, and whether it states its API. Raises if it is broken."""
    module = origin.load()
    _check_api(module)
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    _check_hooks(manager, module)
    manager.register(module, origin.name)
    offered = []
    for hook, (kind, name) in _HOOKS.items():
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            given = implementation.function()
            if type(given) is kind:
                text = f"{hook} must yield its {kind.__name__} objects: write `yield`, not `return`"
                raise _refused(module, hook, text)
            for spec in given or ():
                if type(spec) is not kind:
                    text = f"{hook} must return {kind.__name__} objects, not {spec!r}"
                    raise _refused(module, hook, text)
                offered.append(Installed(name, spec, origin))
    return offered, hasattr(module, "PIPEKIT_API")


def _check_api(module: ModuleType) -> None:
    wanted = str(getattr(module, "PIPEKIT_API", hookspecs.API_VERSION))
    if wanted != hookspecs.API_VERSION:
        raise PluginError(
            f"it needs plugin API {wanted}, this pipekit offers {hookspecs.API_VERSION}; install "
            "versions of both that match"
        )


def _check_hooks(manager: pluggy.PluginManager, module: ModuleType) -> None:
    """Refuse unknown hooks, and hooks without a marker, which pluggy would ignore."""
    for name in vars(module):
        marked = manager.parse_hookimpl_opts(module, name) is not None
        if marked and name not in _HOOKS:
            hint = did_you_mean(name, _HOOKS) or f"; the hooks are {', '.join(_HOOKS)}"
            raise _refused(module, name, f"it implements the unknown hook {name}{hint}")
        if not marked and name in _HOOKS and callable(getattr(module, name)):
            text = f"{name} needs the decorator @hookimpl; without it the hook is ignored"
            raise _refused(module, name, text)
        if marked and (needs := _required(getattr(module, name))):
            text = f"{name}({', '.join(needs)}) must take no arguments: it is called as {name}()"
            raise _refused(module, name, text)


def _required(function: Callable[..., Any]) -> list[str]:
    """The names of its parameters that have no default."""
    parameters = inspect.signature(function).parameters.values()
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in several]


def _refused(module: ModuleType, name: str, text: str) -> PluginError:
    """An error at the definition of a hook, with its line in the text and as tracebacks have it."""
    code = getattr(inspect.unwrap(getattr(module, name)), "__code__", None)
    if code is None:
        return PluginError(text)
    file, line = code.co_filename, code.co_firstlineno
    error = PluginError(f"{text} ({os.path.basename(file)}:{line})")
    error.add_note(f'  File "{file}", line {line}')  # for `BrokenPlugin.where`
    return error


def _rivals(offered: list[Installed]) -> dict[str, list[Installed]]:
    """`kind name` → the plugins, for every name that more than one plugin offers."""
    by_name: dict[str, list[Installed]] = {}
    for installed in offered:
        by_name.setdefault(f"{installed.kind} {installed.name}", []).append(installed)
    return {key: group for key, group in by_name.items() if len(group) > 1}


def _conflict(group: list[Installed]) -> str:
    return (
        f"{group[0].kind} {group[0].name!r} is offered by "
        + " and by ".join(str(installed.origin) for installed in group)
        + ": uninstall one of them, or disable it with `[plugins] deny = [...]`"
    )
