"""Loads plugins one by one, and keeps what is broken from breaking the rest; knows none by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import pluggy
from attrs import field, frozen

from pipekit import hookspecs
from pipekit.errors import DefinitionError, MissingStageError, PluginError
from pipekit.model.specs import EventSink, LifecyclePolicy, StageSpec
from pipekit.plugins.entrypoints import BUILTINS, EntryPoint, entry_points

DISABLE_VARIABLE = "PIPEKIT_DISABLE_PLUGINS"

_HOOKS: dict[str, tuple[type, str]] = {
    "pipekit_stages": (StageSpec, "stage"),
    "pipekit_lifecycle_policies": (LifecyclePolicy, "policy"),
    "pipekit_event_sinks": (EventSink, "sink"),
}


class Record(NamedTuple):
    """A stage, policy or sink, and the entry point it came by."""

    kind: str
    spec: Any
    origin: EntryPoint

    @property
    def name(self) -> str:
        """The name of the stage, policy or sink."""
        return str(self.spec.name)


class BrokenPlugin(NamedTuple):
    """A plugin that cannot be used: which, and why in one sentence."""

    origin: EntryPoint
    problem: str

    def __str__(self) -> str:
        return f"{self.origin} is broken: {self.problem}"


@frozen(kw_only=True)
class Plugins:
    """What was found: usable records by name, and what is broken, disabled or in conflict."""

    stages: dict[str, Record] = field(factory=dict)
    policies: dict[str, Record] = field(factory=dict)
    sinks: dict[str, Record] = field(factory=dict)
    broken: tuple[BrokenPlugin, ...] = ()
    disabled: tuple[EntryPoint, ...] = ()
    conflicts: dict[str, str] = field(factory=dict)

    def require_stages(self, names: Iterable[str]) -> None:
        """Raise MissingStageError, with the remedy, unless every stage is there or broken."""
        absent = [self._missing(name) for name in names if name not in self.stages]
        problems = [problem for problem in absent if problem]
        if problems:
            raise MissingStageError("\n".join(problems))

    def broken_stage(self, name: str) -> BrokenPlugin | None:
        """The broken plugin whose entry point has the name of this stage."""
        return next((broken for broken in self.broken if broken.origin.name == name), None)

    def _missing(self, name: str) -> str | None:
        if f"stage {name}" in self.conflicts:
            return self.conflicts[f"stage {name}"]
        if self.broken_stage(name):
            return None
        for origin in self.disabled:
            if origin.name == name:
                return f"stage {name!r} is configured, but its plugin {origin} is disabled"
        close = _near(name, self.stages)
        if close:
            hint = f"did you mean {close[0]!r}?"
            return f"stage {name!r} is configured, but no plugin offers it; {hint}"
        text = (
            f"stage {name!r} is configured, but no installed plugin offers it: install it (for "
            f"example `pip install pipekit-{name.replace('_', '-')}`) or take it out of `stages`"
        )
        if self.broken:
            text += f"; these plugins are broken: {'; '.join(map(str, self.broken))}"
        return text


def load(
    *,
    allow: Sequence[str] | None = None,
    deny: Sequence[str] = (),
    builtins_only: bool = False,
    path: Sequence[str] | None = None,
) -> Plugins:
    """Import every plugin that is not switched off, each in isolation, and collect what it offers.

    `allow` and `deny` name distributions or entry points. Never raises for what a plugin does.
    """
    usable: list[Record] = []
    broken: list[BrokenPlugin] = []
    disabled: list[EntryPoint] = []
    for origin in entry_points(hookspecs.GROUP, path):
        if not _wanted(origin, allow, deny, builtins_only):
            disabled.append(origin)
            continue
        try:
            usable += _offered(origin)
        except (Exception, SystemExit) as error:  # the isolation boundary of plugin loading
            broken.append(BrokenPlugin(origin, _sentence(error)))
    conflicts = _conflicts(usable)
    by_kind: dict[str, dict[str, Record]] = {"stage": {}, "policy": {}, "sink": {}}
    for record in usable:
        if f"{record.kind} {record.name}" not in conflicts:
            by_kind[record.kind][record.name] = record
    return Plugins(
        stages=by_kind["stage"],
        policies=by_kind["policy"],
        sinks=by_kind["sink"],
        broken=tuple(broken),
        disabled=tuple(disabled),
        conflicts=conflicts,
    )


def _wanted(
    origin: EntryPoint, allow: Sequence[str] | None, deny: Sequence[str], builtins_only: bool
) -> bool:
    if origin.distribution == BUILTINS:
        return True
    off = [name.strip() for name in os.environ.get(DISABLE_VARIABLE, "").split(",") if name.strip()]
    if builtins_only or "*" in off:
        return False
    names = {origin.name, origin.distribution}
    return (allow is None or bool(names & set(allow))) and not names & {*deny, *off}


def _offered(origin: EntryPoint) -> list[Record]:
    """What one plugin offers, each hook called in its own right. Raises when it is broken."""
    module = origin.load()
    _check_fence(module)
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    _check_hooks(manager, module)
    manager.register(module, origin.name)
    records = []
    for hook, (kind, name) in _HOOKS.items():
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            specs = _called(hook, implementation.function, kind)
            records += [Record(name, spec, origin) for spec in specs]
    return records


def _called(hook: str, function: Callable[[], Iterable[Any]], kind: type) -> list[Any]:
    specs = list(function() or ())
    for spec in specs:
        if not isinstance(spec, kind):
            raise PluginError(f"{hook} must return {kind.__name__} records, not {spec!r}")
    return specs


def _check_fence(module: ModuleType) -> None:
    wanted = str(getattr(module, "PIPEKIT_API", hookspecs.API_VERSION))
    if wanted != hookspecs.API_VERSION:
        raise PluginError(
            f"it needs plugin API {wanted}, this pipekit offers {hookspecs.API_VERSION}: "
            "install versions that go together"
        )


def _check_hooks(manager: pluggy.PluginManager, module: ModuleType) -> None:
    """Refuse hooks that do not exist, and hooks that were not marked and would be ignored."""
    for name in vars(module):
        marked = manager.parse_hookimpl_opts(module, name) is not None
        if marked and name not in _HOOKS:
            close = _near(name, _HOOKS)
            hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(_HOOKS)}"
            raise PluginError(f"it implements the unknown hook {name}{hint}")
        if not marked and name in _HOOKS and callable(getattr(module, name)):
            raise PluginError(f"{name} lacks its @hookimpl marker and would be ignored")


def _near(name: str, known: Iterable[str]) -> list[str]:
    """The known name that may have been meant, if any."""
    import difflib  # only on failure

    return difflib.get_close_matches(name, list(known), n=1)


def _conflicts(records: list[Record]) -> dict[str, str]:
    """`kind name` → a sentence, for every name that more than one plugin offers."""
    by_name: dict[str, list[Record]] = {}
    for record in records:
        by_name.setdefault(f"{record.kind} {record.name}", []).append(record)
    return {
        key: f"{key.replace(' ', ' ' + chr(39))}' is offered by "
        + " and by ".join(str(record.origin) for record in group)
        + ": uninstall or deny one of them (`[plugins] deny = [...]`)"
        for key, group in by_name.items()
        if len(group) > 1
    }


def _sentence(error: BaseException) -> str:
    if isinstance(error, PluginError | DefinitionError):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
