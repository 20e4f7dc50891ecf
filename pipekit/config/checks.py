"""Cross-field checks: settings that are fine one by one but contradict each other."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator

from pipekit.config.loading import Configuration
from pipekit.config.problems import KeyPath
from pipekit.config.tables import StageConfig
from pipekit.model.names import did_you_mean
from pipekit.model.quantity import duration_text

Found = Iterator[tuple[bool, KeyPath, str]]  # whether it is an error, where, a sentence


def check(
    configuration: Configuration,
    *,
    policies: Collection[str] | None = None,
    sinks: Collection[str] | None = None,
    executors: Collection[str] | None = None,
) -> tuple[list[str], list[str]]:
    """The errors, which `config check` refuses, and the warnings; each with its place.

    `policies`, `sinks`, `executors`: the names that installed plugins offer; a table of another
    name is an error. None skips this check.
    """
    found = [*_pipeline(configuration), *_folders(configuration), *_inputs(configuration)]
    for name, stage in configuration.stages.items():
        found += _stage(configuration, name, stage)
    found += _unoffered("lifecycle", "policy", configuration.policies, policies)
    found += _unoffered("sinks", "sink", configuration.sinks, sinks)
    found += _unoffered("executors", "executor", configuration.executors, executors)
    errors: list[str] = []
    warnings: list[str] = []
    for is_error, path, sentence in found:
        (errors if is_error else warnings).extend(configuration.located(path, sentence))
    return errors, warnings


def _pipeline(configuration: Configuration) -> Found:
    listed = configuration.pipeline.stages
    if not listed:
        yield False, ("pipeline", "stages"), "no stage is listed, so a run does nothing"
    for name in configuration.stages:
        if name not in listed:
            hint = did_you_mean(name, listed)
            yield False, ("stages", name), f"not listed in pipeline.stages, so it never runs{hint}"
    both = set(configuration.plugins.allow or ()) & set(configuration.plugins.deny)
    for name in sorted(both):
        yield True, ("plugins", "deny"), f"{name!r} is both allowed and denied"


def _stage(configuration: Configuration, name: str, stage: StageConfig) -> Found:
    path = ("stages", name)
    timeout, hang, every = stage.timeout, stage.hang_timeout, configuration.schedule.every
    if timeout and hang and hang >= timeout:
        text = f"{duration_text(hang)} is never reached, as timeout is {duration_text(timeout)}"
        yield True, (*path, "hang_timeout"), text
    for key, value in (("timeout", timeout), ("hang_timeout", hang)):
        if value and every and value > every:
            text = f"{duration_text(value)} is longer than schedule.every, {duration_text(every)}"
            yield False, (*path, key), f"{text}: runs that are due in the meantime do not start"
    waits = sum(map(stage.delay_before, range(2, stage.retries + 2)))
    if every and waits > every:
        text = f"the waits for {stage.retries} retries take {duration_text(waits)}, longer than"
        text += f" schedule.every, {duration_text(every)}"
        yield False, (*path, "retries"), f"{text}: runs that are due meanwhile do not start"
    for other in stage.after or {}:
        if other not in configuration.pipeline.stages:
            hint = did_you_mean(other, configuration.pipeline.stages)
            yield (
                False,
                (*path, "after", other),
                f"no such stage in pipeline.stages, so it is ignored{hint}",
            )


def _folders(configuration: Configuration) -> Found:
    """The lifecycle must not reach the files that the core itself needs."""
    for key in ("logs", "state"):
        own = getattr(configuration.paths, key)
        if _inside(own, configuration.paths.data):
            text = (
                f'"{own}" is inside paths.data, so stages and policies may take its files for data'
            )
            yield True, ("paths", key), text
            continue
        for root in configuration.lifecycle.roots:
            if _inside(own, root):
                yield True, ("lifecycle", "roots"), f'"{root}" contains paths.{key} ("{own}")'
    if _inside(configuration.paths.state, configuration.paths.logs):
        yield True, ("paths", "state"), "must not be inside paths.logs, whose old files are removed"


def _inputs(configuration: Configuration) -> Found:
    """Folders to read are outside the project, and are there."""
    where, root = ("paths", "inputs"), configuration.root.as_posix()
    for folder in configuration.paths.inputs:
        if _inside(folder, root):
            yield True, where, f'"{folder}" is inside the project: name it relative to it'
        elif _inside(root, folder):
            yield True, where, f'"{folder}" contains the project'
        elif not os.path.isdir(folder):
            yield False, where, f"there is no folder {folder}"


def _inside(path: str, root: str) -> bool:
    parts, around = path.strip("/").split("/"), root.strip("/").split("/")
    return parts[: len(around)] == around


def _unoffered(
    kind: str, word: str, configured: Collection[str], offered: Collection[str] | None
) -> Found:
    for name in configured:
        if offered is not None and name not in offered:
            hint = did_you_mean(name, offered)
            yield True, (kind, name), f"no installed plugin offers a {word} with this name{hint}"
