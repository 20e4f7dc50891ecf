"""The configuration in force, its values structured, and where each came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from attrs import define, field

from pipekit.config import sources
from pipekit.config.describe import settings_fields
from pipekit.config.problems import Path, Problem, dotted, problems_of, unknown_key
from pipekit.config.sources import Layer
from pipekit.config.structure import structured
from pipekit.config.tables import (
    TABLES,
    LifecycleConfig,
    PathsConfig,
    PipelineConfig,
    PluginsConfig,
    RetentionConfig,
    ScheduleConfig,
    StageConfig,
)
from pipekit.config.values import literal, table
from pipekit.errors import ConfigError, PluginError
from pipekit.model.names import checked_name

if TYPE_CHECKING:
    from pipekit.config.explain import Value
    from pipekit.model.run import Paths

TOP = (*TABLES, "stages", "sinks")
RULES = "rules"
"""The policy whose settings are not a table but an array of tables: `[[lifecycle.rules]]`."""


def policy_path(name: str) -> Path:
    """Where a policy's table stands; that of `rules` is [lifecycle] itself."""
    return ("lifecycle",) if name == RULES else ("lifecycle", name)


@define(eq=False, repr=False, kw_only=True)
class Configuration:
    """All settings of a project; made by `load`.

    `stages` holds every stage that is listed or has a table. `policies` and `sinks` hold the raw
    tables of those that are switched on, by name; `settings_for` makes objects of them.
    """

    root: FilePath
    file: FilePath
    pipeline: PipelineConfig
    paths: PathsConfig
    plugins: PluginsConfig
    lifecycle: LifecycleConfig
    retention: RetentionConfig
    schedule: ScheduleConfig
    stages: Mapping[str, StageConfig]
    policies: Mapping[str, Mapping[str, Any]]
    sinks: Mapping[str, Mapping[str, Any]]
    layers: Sequence[Layer]
    _made: dict[Path, tuple[type, Any]] = field(factory=dict, init=False)

    @property
    def folders(self) -> Paths:
        """`[paths]` as absolute paths."""
        from pipekit.model.run import Paths

        names = ("data", "logs", "state")
        return Paths(root=self.root, **{n: self.root / getattr(self.paths, n) for n in names})

    def settings_for(self, kind: str, name: str, cls: type | None) -> Any:
        """The settings of a plugin's stage, policy or sink as an object of its class.

        `kind`: `stages`, `lifecycle` or `sinks`. None where the plugin takes no settings. Raises
        ConfigError with all problems of its values, PluginError for a class that cannot be used.
        """
        path, raw = self._raw(kind, name)
        if cls is None:
            if raw:
                places = [(*path, key) for key in raw]
                text = f"unknown key: {name!r} has no settings"
                raise ConfigError(located([Problem(place, text) for place in places], self.layers))
            return None
        made = self._made.get(path)
        if made is None or made[0] is not cls:
            try:
                made = self._made[path] = (cls, structured(cls, raw))
            except (ValueError, ExceptionGroup) as error:
                raise ConfigError(located(problems_of(error, path), self.layers)) from None
        return made[1]

    def all_settings(
        self, wanted: Iterable[tuple[str, str, type | None]]
    ) -> dict[tuple[str, str], Any]:
        """`settings_for` of many, by (kind, name); raises one ConfigError with all problems."""
        found: dict[tuple[str, str], Any] = {}
        problems: list[str] = []
        for kind, name, cls in wanted:
            try:
                found[kind, name] = self.settings_for(kind, name, cls)
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(problems)
        return found

    def _raw(self, kind: str, name: str) -> tuple[Path, Mapping[str, Any]]:
        """Where a plugin's settings stand, and what stands there."""
        if kind == "stages":
            stage = self.stages.get(name)
            return (kind, name, "settings"), stage.settings if stage else {}
        if kind == "sinks":
            return (kind, name), self.sinks.get(name, {})
        if name in settings_fields(LifecycleConfig):
            raise PluginError(f"a policy cannot be called {name!r}: [lifecycle] has such a key")
        return policy_path(name), self.policies.get(name, {})

    def known_settings(self) -> Mapping[Path, Any]:
        """The settings objects made so far, by the path of their table."""
        return {path: made for path, (_, made) in self._made.items()}

    def located(self, path: Path, text: str) -> list[str]:
        """A problem as a sentence with the place to mend in front."""
        return located([Problem(path, text)], self.layers)

    def values(self) -> dict[str, Value]:
        """Every known key with its value, where it came from and what it beat; secrets masked."""
        from pipekit.config.explain import values

        return values(self)

    def explain(self, key: str) -> Value:
        """One of `values`; raises ConfigError, with a suggestion, for a key that nobody knows."""
        from pipekit.config.explain import explain

        return explain(self, key)

    def provenance(self) -> dict[str, Any]:
        """For the audit report: what was set, by whom, and the defaults; secrets masked."""
        from pipekit.config.explain import provenance

        return provenance(self)

    def secrets(self) -> tuple[str, ...]:
        """The texts (four characters or more) of all secrets known so far, to be struck out."""
        from pipekit.config.explain import secrets

        return secrets(self)


def load(root: FilePath, *, environ: Mapping[str, str], flags: Sequence[str] = ()) -> Configuration:
    """The configuration of the project in `root`: flags over environment over file over defaults.

    Raises ConfigError with all problems of the core's own tables; those of plugins' settings are
    found by `settings_for`, when the plugins are there to say what they are.
    """
    file = sources.read_file(root / sources.FILE_NAME)
    variables, wrong_names = sources.environment(environ, TOP)
    switches, wrong_flags = sources.flags(flags)
    layers = [file, *variables, *switches]
    tree = sources.merged(layers)
    reader = _Reader()
    made = reader.tables(tree)
    texts = located(reader.problems, layers) + wrong_names + wrong_flags
    if texts:
        raise ConfigError(texts)
    return Configuration(root=root, file=root / file.label, layers=layers, **made)


class _Reader:
    """A reading of the merged tree that goes on after a problem."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def tables(self, tree: Mapping[str, Any]) -> dict[str, Any]:
        for key in tree:
            if key not in TOP:
                self.problems.append(Problem((key,), unknown_key(key, TOP)))
        raw = {key: self._table(tree.get(key, {}), (key,)) for key in TOP}
        policies = self._policies(raw["lifecycle"])
        made = {key: self._made(cls, raw[key], (key,)) for key, cls in TABLES.items()}
        names = dict.fromkeys([*made["pipeline"].stages, *raw["stages"]])
        made["stages"] = {name: self._stage(name, raw["stages"].get(name, {})) for name in names}
        made["sinks"] = {
            name: self._table(value, ("sinks", name), secret=True)  # for all that is known yet
            for name, value in raw["sinks"].items()
        }
        return {**made, "policies": policies}

    def _stage(self, name: str, raw: Any) -> StageConfig:
        try:
            checked_name(None, None, name)
        except ValueError as error:
            self.problems += problems_of(error, ("stages", name))
        made: StageConfig = self._made(StageConfig, raw, ("stages", name))
        if name in (made.after or {}):
            path = ("stages", name, "after", name)
            self.problems.append(Problem(path, "a stage cannot wait for itself"))
        return made

    def _policies(self, raw: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The policies' tables, taken out of `raw`; `rules` is wrapped into a table of its own."""
        policies: dict[str, dict[str, Any]] = {}
        for name in [name for name in raw if name not in settings_fields(LifecycleConfig)]:
            value = literal(raw.pop(name))
            if name == RULES:
                policies[name] = {RULES: value}
            elif isinstance(value, dict):
                policies[name] = value
            else:
                text = unknown_key(name, [*settings_fields(LifecycleConfig), RULES])
                self.problems.append(Problem(("lifecycle", name), text))
        return policies

    def _table(self, raw: Any, path: Path, *, secret: bool = False) -> dict[str, Any]:
        try:
            return dict(table(raw))
        except ValueError as error:
            self.problems += problems_of(error, path, secret=secret)
            return {}

    def _made(self, cls: type, raw: Any, path: Path) -> Any:
        try:
            return structured(cls, raw)
        except (ValueError, ExceptionGroup) as error:
            self.problems += problems_of(error, path)
            return cls()


def located(problems: Iterable[Problem], layers: Sequence[Layer]) -> list[str]:
    """The problems as sentences, each with the place to mend, in the order of these places."""
    found = []
    for problem in problems:
        depths = [layer.depth(problem.path) for layer in layers]
        index = max(range(len(layers)), key=lambda n: (depths[n], n))
        if not depths[index]:
            index = 0  # nobody set anything near it: the file is where it should stand
        layer = layers[index]
        text = f"{layer.where(problem.path)}: {dotted(problem.path)}: {problem.text}"
        found.append((index, layer.line(problem.path), text))
    return [text for _, _, text in sorted(found)]
