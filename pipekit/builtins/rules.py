"""The lifecycle policy `rules`: files may be removed once certain stages have consumed them."""

# No `from __future__ import annotations`: settings classes keep real types.

import os
from collections.abc import Iterator
from typing import Any, Literal

from attrs import frozen

from pipekit import (
    ActionKind,
    Duration,
    FileAction,
    LifecyclePolicy,
    LifecycleView,
    hookimpl,
    setting,
)

PIPEKIT_API = "1"


def _some_stage(instance: Any, _attribute: object, value: tuple[str, ...]) -> None:
    if not value and instance.action != "keep":
        raise ValueError("must name a stage: files that no stage has consumed are never removed")


def _inside(_instance: object, _attribute: object, value: str) -> None:
    if os.path.isabs(value) or os.path.splitdrive(value)[0]:
        raise ValueError("must be relative: files outside the project are never removed")


@frozen
class Rule:
    """`[[lifecycle.rules]]`: one rule."""

    files: str = setting(
        "Pattern of the files, relative to the project's folder.", validator=_inside
    )
    consumed_by: tuple[str, ...] = setting(
        "Stages that must have consumed the files: the first one the files themselves, each "
        "further one everything that was made from them. Optional only for `keep`.",
        default=(),
        validator=_some_stage,
    )
    min_age: Duration = setting("Minimum age of the files.", default=86_400.0)
    age: Literal["file", "data"] = setting(
        "What age means: `file` (time since the last change) or `data` (how far the data is behind "
        "the newest of its series).",
        default="file",
    )
    action: Literal["delete", "keep"] = setting("What to do with the files.", default="delete")
    enabled: bool = setting("Whether the rule is used.", default=True)


@frozen
class Rules:
    """All rules of a project."""

    rules: tuple[Rule, ...] = setting("The rules, in any order.", default=())


@hookimpl
def pipekit_lifecycle_policies() -> Iterator[LifecyclePolicy]:
    """The rules of `[[lifecycle.rules]]`."""
    yield LifecyclePolicy("rules", propose, settings=Rules)


def propose(view: LifecycleView, settings: Rules) -> Iterator[FileAction]:
    """Propose an action for every file that a rule matches and whose content is consumed."""
    for rule in settings.rules:
        if not rule.enabled:
            continue
        for file in view.files(rule.files):
            age = view.data_age(file) if rule.age == "data" else view.age(file)
            if age is None:
                view.leave(file, "of unknown age: no stage has reported the dates of their data")
            elif age < rule.min_age:
                view.leave(file, f"younger than {_text(rule.min_age)}")
            elif view.why_not_consumed(file, rule.consumed_by) is not None:
                view.leave(file, f"not consumed by {' and '.join(rule.consumed_by)}")
            else:
                yield FileAction(
                    kind=ActionKind(rule.action), path=file.path, reason=_reason(rule, age)
                )


def _reason(rule: Rule, age: float) -> str:
    chain = f"consumed by {' and '.join(rule.consumed_by)}, " if rule.consumed_by else ""
    return f"{chain}{age / 86_400:.1f} days old"


def _text(seconds: float) -> str:
    """`24h`, `30d`."""
    hours = seconds / 3_600
    return f"{hours / 24:g}d" if hours > 24 and hours % 24 == 0 else f"{hours:g}h"
