"""The lifecycle policy `rules`: which files may go, once which stages have consumed them."""

# No `from __future__ import annotations`: settings classes keep real types.

from collections.abc import Iterator
from typing import Any

from attrs import frozen

from pipekit import ActionKind, Duration, FileAction, LifecycleView, setting


def _some_stage(instance: Any, _attribute: object, value: tuple[str, ...]) -> None:
    if not value and instance.action is not ActionKind.KEEP:
        raise ValueError("must name a stage: what nobody has consumed is never taken away")


def _known_age(_instance: object, _attribute: object, value: str) -> None:
    if value not in ("file", "data"):
        raise ValueError(f"must be 'file' or 'data', not {value!r}")


def _not_negative(_instance: object, _attribute: object, value: float) -> None:
    if value < 0:
        raise ValueError("must be 0 or more")


@frozen
class Rule:
    """`[[lifecycle.rules]]`: one rule."""

    files: str = setting("The files it speaks of: a pattern from the project's folder.")
    consumed_by: tuple[str, ...] = setting(
        "The stages that must have consumed them: the first these files, each next one all "
        "that came of them. Only a rule that keeps files can do without.",
        default=(),
        validator=_some_stage,
    )
    min_age: Duration = setting(
        "They must be at least so old.", default=86_400.0, validator=_not_negative
    )
    age: str = setting(
        "How age is measured: `file` (since its last change) or `data` (how far its data lie "
        "behind the newest of their series).",
        default="file",
        validator=_known_age,
    )
    action: ActionKind = setting("What may then happen to them.", default=ActionKind.DELETE)
    enabled: bool = setting("Whether the rule is on.", default=True)


@frozen
class Rules:
    """The rules of a project."""

    rules: tuple[Rule, ...] = setting("The rules, in any order.", default=())


def propose(view: LifecycleView, settings: Rules) -> Iterator[FileAction]:
    """A proposal for every file that a rule lets go."""
    for rule in settings.rules:
        if not rule.enabled:
            continue
        for file in view.files(rule.files):
            age = view.data_age(file) if rule.age == "data" else view.age(file)
            if age is None or age < rule.min_age:
                continue
            if view.why_not_consumed(file, rule.consumed_by) is None:
                yield FileAction(kind=rule.action, path=file.path, reason=_reason(rule, age))


def _reason(rule: Rule, age: float) -> str:
    chain = f"consumed by {' and '.join(rule.consumed_by)}, " if rule.consumed_by else ""
    return f"{chain}{age / 86_400:.1f} days old"
