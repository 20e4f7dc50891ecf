"""Stages that run a program which knows nothing of pipekit: `script_stage`."""

# No `from __future__ import annotations`: settings classes keep real types.

import re
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from attrs import field, frozen, make_class
from attrs import fields as attrs_fields

from pipekit.errors import DefinitionError
from pipekit.model.command import Command
from pipekit.model.file import Pending
from pipekit.model.run import RunContext
from pipekit.model.specs import StageSpec
from pipekit.model.stage import StagePlan
from pipekit.model.task import Task, Watch
from pipekit.settings import setting
from pipekit.worker import Verb

_PLACEHOLDER = re.compile(r"\{\{([a-z]+)\}\}|\{([a-z]+)\}")
_EACH = ("input", "name", "stem")  # of one file
_EACH_OF = frozenset(_EACH)
_WORDS = ("inputs", "outputs")  # several words
_ALL = (*_EACH, *_WORDS, "output", "python")
_LONGEST_NAME = 80
Values = Mapping[str, str | tuple[str, ...]]


def _checked_words(instance: Any, attribute: Any, words: tuple[str, ...]) -> None:
    """Check the placeholders of a command, its outputs or its units."""
    allowed = _ALL if attribute.name == "command" else _EACH
    for word in words:
        for name in _names([word]):
            if name not in allowed:
                known = ", ".join(f"{{{each}}}" for each in allowed)
                raise ValueError(
                    f'unknown placeholder {{{name}}} in "{word}"; known here: {known}; '
                    f"{{{{{name}}}}} stands for {{{name}}} itself"
                )
            if name in _WORDS and word != f"{{{name}}}":
                raise ValueError(
                    f'{{{name}}} stands for several words: write it alone, not "{word}"'
                )
            if name in (*_EACH, "inputs") and not instance.inputs:
                raise ValueError(f"{{{name}}} needs `inputs`, the patterns of the files to process")
            if name in ("output", "outputs") and not instance.outputs:
                raise ValueError(f"{{{name}}} needs `outputs`, the files that the command writes")


def _checked_command(instance: Any, attribute: Any, words: tuple[str, ...]) -> None:
    if not words or not words[0]:
        raise ValueError('name the program to run, for example ["python3", "convert.py"]')
    _checked_words(instance, attribute, words)
    if "inputs" in _names(words) and not _EACH_OF.isdisjoint(_names(words)):
        raise ValueError("{inputs} is for one command for all files: do not use {input} beside it")


def _checked_outputs(instance: Any, attribute: Any, paths: tuple[str, ...]) -> None:
    _checked_paths(instance, attribute, paths)
    _checked_words(instance, attribute, paths)
    if not _for_each(instance):
        return
    for path in paths:
        if _EACH_OF.isdisjoint(_names([path])):
            raise ValueError(
                f'"{path}" would be the same for every input: use {{stem}} or {{name}} in it, or '
                "{inputs} in the command to process all files at once"
            )


def _checked_paths(_instance: object, _attribute: object, paths: tuple[str, ...]) -> None:
    for path in paths:
        parts = path.split("/")
        if not path or "\\" in path or path[1:2] == ":" or "" in parts or ".." in parts:
            raise ValueError(f'must be below the project\'s folder, written with /, not "{path}"')


def _checked(make: Callable[[Any], object]) -> Callable[[object, Any, Any], None]:
    """A validator: the value is what `make` accepts."""

    def check(_instance: object, attribute: Any, value: Any) -> None:
        try:
            if value:
                make(value)
        except DefinitionError as error:  # may begin with the record's field, which is the key
            raise ValueError(str(error).removeprefix(f"{attribute.name} ")) from None

    return check


@frozen
class Found:
    """`watch`: something to find in the output of the command."""

    pattern: str = setting(
        "A regular expression. Its group `unit` names a finished unit, the group `status` says how "
        "it ended (default: success); with `metric`, the group `value` is the value."
    )
    metric: str | None = setting("The name of a metric.", default=None)

    @property
    def watch(self) -> Watch:
        """The same for a task. Raises DefinitionError."""
        return Watch(pattern=self.pattern, metric=self.metric)


@frozen
class Script:
    """`[stages.NAME]` of a stage with a command of its own."""

    command: tuple[str, ...] = setting(
        "The program and its arguments; no shell reads them. It runs in the project's folder, once "
        "for all new files, or once for each of them if {input}, {name} or {stem} is in it.",
        validator=_checked_command,
    )
    inputs: tuple[str, ...] = setting(
        "Patterns of the files to process, such as `data/raw/*.csv`; they count as consumed when "
        "the command succeeds. Without any, the command runs in every run.",
        default=(),
        affects_output=False,
        validator=_checked_paths,
    )
    outputs: tuple[str, ...] = setting(
        "The files that the command must write, such as `data/clean/{stem}.csv`; of a pattern, "
        "such as `data/clean/*.csv`, whatever is new counts.",
        default=(),
        validator=_checked_outputs,
    )
    done_pattern: str | None = setting(
        "A regular expression: the command has succeeded when a line of its output matches, "
        "whether or not it exits.",
        default=None,
        affects_output=False,
        validator=_checked(lambda text: Command(argv=("x",), done_pattern=text)),
    )
    watch: tuple[Found, ...] = setting(
        "What to find in the output of the command: units and metrics.",
        default=(),
        affects_output=False,
        validator=_checked(lambda found: [each.watch for each in found]),
    )
    units: tuple[str, ...] = setting(
        "The units that `watch` must find finished; one that is missing has failed.",
        default=(),
        affects_output=False,
        validator=_checked_words,
    )
    env: dict[str, str] = setting("Environment variables of the command.", factory=dict)


def _for_each(settings: Any) -> bool:
    """Whether the command runs once for each file."""
    return not _EACH_OF.isdisjoint(_names([*settings.command, *settings.outputs]))


def plan(ctx: RunContext, settings: Script) -> StagePlan:
    """One task for all new files, or one for each of them; in every run without `inputs`."""
    if not settings.inputs:
        reason = "it has no inputs, so it runs in every run"
        return StagePlan(reason=reason, tasks=[_task(ctx.stage, settings, ())])
    new = _pending(ctx, settings.inputs)
    where = " and ".join(settings.inputs)
    paths = tuple(item.path for item in new)
    if _for_each(settings):
        tasks = [_task(_task_name(path), settings, (path,)) for path in paths]
    else:
        tasks = [_task(ctx.stage, settings, paths)]
    return StagePlan.of(new, where, tasks)


def _pending(ctx: RunContext, patterns: tuple[str, ...]) -> Pending:
    """The new files. Those that an earlier stage wrote in this run are complete, however young."""
    files = [file for result in ctx.results.values() for file in result.files]
    complete = {file.path for file in files if file.verb is Verb.WROTE}
    found = ctx.files(*patterns)
    return ctx.pending(
        (file for file in found if file.path in complete), growing=True
    ) + ctx.pending(file for file in found if file.path not in complete)


def _task(name: str, settings: Script, inputs: tuple[str, ...]) -> Task:
    values: dict[str, str | tuple[str, ...]] = {"inputs": inputs, "python": sys.executable}
    if _for_each(settings):
        path = PurePosixPath(inputs[0])
        values |= {"input": inputs[0], "name": path.name, "stem": path.stem}
    outputs = _filled(settings.outputs, values)
    values |= {"outputs": outputs, "output": outputs[0] if outputs else ""}
    command = Command(
        argv=_filled(settings.command, values),
        env=settings.env,
        done_pattern=settings.done_pattern,
        completed_ok=settings.done_pattern is not None,
    )
    return Task(
        name=name,
        command=command,
        units=_filled(settings.units, values),
        inputs=inputs,
        outputs=outputs,
        watch=[found.watch for found in settings.watch],
        reports=False,
    )


def _task_name(path: str) -> str:
    """A name for the task of one file, always the same for the same path."""
    name = PurePosixPath(path).name
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:_LONGEST_NAME].lstrip(".")
    return f"{plain}-{zlib.crc32(path.encode()):08x}"


def _names(words: Iterable[str]) -> set[str]:
    """The placeholders in these words."""
    return {match[2] for word in words for match in _PLACEHOLDER.finditer(word) if match[2]}


def _filled(words: tuple[str, ...], values: Values) -> tuple[str, ...]:
    """The words with the values in place of the placeholders."""
    found: list[str] = []
    for word in words:
        several = values.get(word[1:-1]) if _names([word]) and word[1:-1] in _WORDS else None
        if isinstance(several, tuple):
            found += several
        else:
            found.append(_PLACEHOLDER.sub(lambda match: _value(match, values), word))
    return tuple(found)


def _value(match: re.Match[str], values: Values) -> str:
    return f"{{{match[1]}}}" if match[1] else str(values[match[2]])


class _OwnDefaults:
    """The base of settings with a plugin's own defaults; a copy in another process is a Script."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        values = {each.name: getattr(self, each.name) for each in attrs_fields(Script)}
        return partial(Script, **values), ()


def script_stage(name: str, **defaults: Any) -> StageSpec:
    """A stage that runs a program, for a plugin that brings one.

    `defaults`: the keys of `[stages.NAME]` with `command`, such as `command=[...]`,
    `inputs=[...]`. A project may set others in `[stages.NAME.settings]`. Raises TypeError for an
    unknown key, ValueError for a value that cannot be used.
    """
    given: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in defaults.items()
    }
    if not given:
        return StageSpec(name, plan, settings=Script)
    Script(**given)  # raises for a mistake
    fields = {
        each.name: field(
            default=given.get(each.name, each.default),
            type=each.type,
            validator=each.validator,
            metadata=each.metadata,
            kw_only=True,
        )
        for each in attrs_fields(Script)
    }
    return StageSpec(
        name, plan, settings=make_class("Settings", fields, (_OwnDefaults,), frozen=True)
    )
