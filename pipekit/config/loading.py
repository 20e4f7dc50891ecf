"""Loads a project's configuration: reads its sources, structures the core's tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, field

from pipekit.config import sources
from pipekit.config.describe import settings_fields
from pipekit.config.expect import ExpectConfig
from pipekit.config.problems import KeyPath, Problem, dotted, problems_of, unknown_key
from pipekit.config.secrets_file import secret_variables
from pipekit.config.sources import Layer
from pipekit.config.structure import literal, structured, table
from pipekit.config.tables import (
    RULES,
    SCRIPT,
    SCRIPT_KEYS,
    TABLES,
    TOP,
    LifecycleConfig,
    PathsConfig,
    PipelineConfig,
    PluginsConfig,
    RetentionConfig,
    ScheduleConfig,
    SecretsConfig,
    StageConfig,
    settings_path,
)
from pipekit.errors import ConfigError, PluginError
from pipekit.model.names import checked_name, did_you_mean
from pipekit.model.run import Paths
from pipekit.model.secrets import Mask

T = TypeVar("T")
_LONGEST_SENTENCE = 1_000  # characters; a key or value may be as long as the file
_MOST_PROBLEMS = 100


@define(eq=False, repr=False, kw_only=True)  # no comparison; its repr would show secrets
class Configuration:
    """All settings of a project; made by `load`.

    `stages` holds every stage that is listed or has a table. `policies`, `sinks` and `executors`
    hold the raw tables that there are, by name; `settings_for` makes objects of them, which stay
    in `known_settings` by the path of their table. `variables`: those of the file of `[secrets]`.
    """

    root: Path
    file: Path
    pipeline: PipelineConfig
    paths: PathsConfig
    plugins: PluginsConfig
    lifecycle: LifecycleConfig
    retention: RetentionConfig
    schedule: ScheduleConfig
    secrets: SecretsConfig
    stages: Mapping[str, StageConfig]
    policies: Mapping[str, Mapping[str, Any]]
    sinks: Mapping[str, Mapping[str, Any]]
    executors: Mapping[str, Mapping[str, Any]]
    expect: Sequence[ExpectConfig]
    layers: Sequence[Layer]
    variables: Mapping[str, str]
    known_settings: dict[KeyPath, Any] = field(factory=dict, init=False)

    @property
    def folders(self) -> Paths:
        """`[paths]` as absolute paths."""
        folders = {n: self.root / getattr(self.paths, n) for n in ("data", "logs", "state")}
        return Paths(root=self.root, **folders, shared=self.paths.shared, inputs=self.paths.inputs)

    def export_variables(self) -> None:
        """Put the variables of `[secrets]` into the environment, where they override none."""
        for name, value in self.variables.items():
            os.environ.setdefault(name, value)

    def executor_of(self, stage: str) -> str:
        """The name of the executor that carries the tasks of this stage."""
        return self.stages[stage].executor or self.pipeline.executor

    def settings_for(self, kind: str, name: str, cls: type | None) -> Any:
        """The settings of a plugin's stage, policy, sink or executor as an object of its class.

        `kind`: `stages`, `lifecycle`, `sinks` or `executors`. None if the plugin takes no settings.
        Raises ConfigError with all problems of its values, PluginError for a class that cannot be
        used.
        """
        if kind == "lifecycle" and name in settings_fields(LifecycleConfig):
            raise PluginError(
                f"a policy cannot be named {name!r}: [lifecycle] has a key of that name"
            )
        path = self._settings_path(kind, name)
        raw = self.plugin_tables().get(path, {})
        if cls is None:
            if raw:
                text = f"unknown key: {name!r} has no settings"
                raise ConfigError(self._located(Problem((*path, k), text) for k in raw))
            return None
        if type(self.known_settings.get(path)) is not cls:
            try:
                self.known_settings[path] = structured(cls, raw)
            except (ValueError, ExceptionGroup) as error:
                raise ConfigError(self._located(problems_of(error, path))) from None
        return self.known_settings[path]

    def plugin_tables(self) -> dict[KeyPath, Mapping[str, Any]]:
        """The raw settings of all that plugins offer and that is configured, by their place."""
        return {
            **{self._settings_path("stages", n): s.settings for n, s in self.stages.items()},
            **{settings_path("lifecycle", name): raw for name, raw in self.policies.items()},
            **{settings_path("sinks", name): raw for name, raw in self.sinks.items()},
            **{settings_path("executors", name): raw for name, raw in self.executors.items()},
        }

    def _settings_path(self, kind: str, name: str) -> KeyPath:
        is_script = kind == "stages" and self.offered_as(name) == SCRIPT
        return (kind, name) if is_script else settings_path(kind, name)

    def offered_as(self, stage: str) -> str:
        """The name by which a plugin offers a stage of the project."""
        return self.stages[stage].offered_as(stage) if stage in self.stages else stage

    def located(self, path: KeyPath, text: str) -> list[str]:
        """A problem as a sentence that starts with the place to fix."""
        return self._located([Problem(path, text)])

    def _located(self, problems: Iterable[Problem]) -> list[str]:
        mask = Mask(self.variables.values())
        return [mask.text(sentence) for sentence in located(problems, self.layers)]


def load(
    root: Path,
    *,
    environ: Mapping[str, str],
    flags: Sequence[str] = (),
    tables: Collection[str] | None = None,
) -> Configuration:
    """The configuration of the project in `root`: flags over environment over file over defaults.

    `tables`: read only these; the others have their defaults, even if they contain mistakes. The
    file of `[secrets]` is then not read, whose variables are settings of plugins alone.

    Raises ConfigError with all problems of the core's own tables; those of plugins' settings are
    found by `settings_for`, when the plugins are there to describe them.
    """
    file = sources.read_file(root / sources.FILE_NAME)
    switches, wrong_flags = sources.flags(flags)
    variables, wrong_names = sources.environment(environ, TOP)
    layers = [file, *variables, *switches]
    tree = sources.merged(layers)
    secret = secret_variables(root, tree, environ) if tables is None else {}
    if secret:
        variables, wrong_names = sources.environment({**secret, **environ}, TOP)
        layers = [file, *variables, *switches]
        tree = sources.merged(layers)
    problems: list[Problem] = []
    if tables is None:
        problems += [Problem((key,), unknown_key(key, TOP)) for key in tree if key not in TOP]
    else:
        tree, wrong_names = {key: tree[key] for key in tables if key in tree}, []
    made = _Structurer(problems).tables(tree)
    texts = located(problems[:_MOST_PROBLEMS], layers) + wrong_names + wrong_flags
    if len(problems) > _MOST_PROBLEMS:
        texts.append(f"{file.label}: {len(problems) - _MOST_PROBLEMS:,} more problems")
    if texts:
        mask = Mask(secret.values())
        raise ConfigError([mask.text(text) for text in texts])
    return Configuration(root=root, file=root / file.label, layers=layers, variables=secret, **made)


class _Structurer:
    """Makes objects of the merged tree's tables; collects problems instead of stopping at one."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems

    def tables(self, tree: Mapping[str, Any]) -> dict[str, Any]:
        raw = {key: self._table(tree.get(key, {}), (key,)) for key in TOP if key != "expect"}
        policies = self._policies(raw["lifecycle"])
        made = {key: self._object(cls, raw[key], (key,)) for key, cls in TABLES.items()}
        names = dict.fromkeys([*made["pipeline"].stages, *raw["stages"]])
        made["stages"] = {name: self._stage(name, raw["stages"].get(name, {})) for name in names}
        for kind in ("sinks", "executors"):
            made[kind] = {
                name: self._table(value, (kind, name), secret=True)  # as far as is known yet
                for name, value in raw[kind].items()
            }
        made["expect"] = self._expect(tree.get("expect", []), made["pipeline"].stages)
        return {**made, "policies": policies}

    def _expect(self, raw: Any, stages: Collection[str]) -> list[ExpectConfig]:
        """The tables of `[[expect]]`, each about something else."""
        tables = literal(raw)
        if not isinstance(tables, list):
            text = "is an array of tables: write [[expect]] above each"
            self._problems.append(Problem(("expect",), text))
            return []
        made: list[ExpectConfig] = []
        known: set[str] = set()
        for place, each in enumerate(tables):
            path, before = ("expect", place), len(self._problems)
            expected = self._object(ExpectConfig, each, path)
            if len(self._problems) > before:
                continue
            texts = list(expected.problems())
            if expected.stage and expected.stage not in stages:
                hint = did_you_mean(expected.stage, stages)
                texts.append(f"there is no stage {expected.stage!r} in pipeline.stages{hint}")
            texts += [f"{key!r} is expected twice" for key in expected.topics() if key in known]
            self._problems += [Problem(path, text) for text in texts]
            known.update(expected.topics())
            made.append(expected)
        return made

    def _stage(self, name: str, raw: Any) -> StageConfig:
        self._noted(("stages", name), lambda: checked_name(None, None, name), None)
        raw = literal(raw)
        if isinstance(raw, dict):
            raw = self._known_keys(name, raw)
        stage: StageConfig = self._object(StageConfig, raw, ("stages", name))
        if name in (stage.after or {}):
            path = ("stages", name, "after", name)
            self._problems.append(Problem(path, "a stage cannot depend on itself"))
        return stage

    def _known_keys(self, name: str, raw: Mapping[str, Any]) -> dict[str, Any]:
        """A stage's table without unknown keys; those of a script become its `settings`."""
        path, known = ("stages", name), (*settings_fields(StageConfig), *SCRIPT_KEYS)
        wrong = {key: unknown_key(key, known) for key in raw if key not in known}
        table = {key: value for key, value in raw.items() if key in known}
        own = {key: table.pop(key) for key in SCRIPT_KEYS if key in table}
        is_script = table.get("use", SCRIPT) == SCRIPT and ("command" in own or "use" in table)
        if is_script:
            if table.pop("settings", None) is not None:
                wrong["settings"] = "the settings of a stage with `command` stand in its own table"
            table |= {"use": SCRIPT, "settings": own}
        elif "command" in own:
            wrong["use"] = "a stage has either `command` or `use`: remove one of them"
        else:
            text = f"only for a stage with `command`; a plugin's settings stand in {dotted(path)}"
            wrong |= dict.fromkeys(own, f"{text}.settings")
        self._problems += [Problem((*path, key), text) for key, text in wrong.items()]
        return table

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
                self._problems.append(Problem(("lifecycle", name), text))
        return policies

    def _table(self, raw: Any, path: KeyPath, *, secret: bool = False) -> dict[str, Any]:
        return self._noted(path, lambda: dict(table(raw)), {}, secret=secret)

    def _object(self, cls: type, raw: Any, path: KeyPath) -> Any:
        if raw == {}:
            return cls()
        return self._noted(path, lambda: structured(cls, raw), cls())

    def _noted(
        self, path: KeyPath, make: Callable[[], T], default: T, *, secret: bool = False
    ) -> T:
        """What `make` returns; `default` if it raises problems, which are collected."""
        try:
            return make()
        except (ValueError, ExceptionGroup) as error:
            self._problems += problems_of(error, path, secret=secret)
            return default


def located(problems: Iterable[Problem], layers: Sequence[Layer]) -> list[str]:
    """The problems as sentences, each starting with the place to fix, in the order of places."""
    found = []
    for path, text in problems:
        depths = [layer.depth(path) for layer in layers]
        index = max(range(len(layers)), key=lambda n: (depths[n], n))
        if not depths[index]:
            index = 0  # nobody set anything near it: the file is where it belongs
        layer, key = layers[index], dotted(path)
        where = layer.where(path)
        place = where if where.endswith(f" {key}") else f"{where}: {key}"  # a flag says its key
        sentence = f"{place}: {text}"
        if len(sentence) > _LONGEST_SENTENCE:
            sentence = f"{sentence[:_LONGEST_SENTENCE]}..."
        found.append((index, layer.line(path), sentence))
    return [text for _, _, text in sorted(found)]
