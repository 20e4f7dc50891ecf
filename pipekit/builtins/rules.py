"""The lifecycle policy `rules`: which files may go, once which stages have consumed them."""

# No `from __future__ import annotations`: settings classes keep real types.

from collections.abc import Iterator

from attrs import frozen

from pipekit.model.policy import ActionKind, FileAction, LifecycleView
from pipekit.model.record import Record
from pipekit.settings import Duration, setting


@frozen(eq=False, repr=False)
class Rule(Record):
    """`[[lifecycle.rules]]`: one rule."""

    files: str = setting("The files it speaks of: a pattern from the project's folder.")
    consumed_by: tuple[str, ...] = setting(
        "The stages that must have consumed them: the first these files, each next one all "
        "that came of them."
    )
    min_age: Duration = setting("They must be at least so old.", default=86_400.0)
    age: str = setting(
        "How age is measured: `file` (since its last change) or `data` (how far its data lie "
        "behind the newest of their series).",
        default="file",
    )
    action: ActionKind = setting("What may then happen to them.", default=ActionKind.DELETE)
    enabled: bool = setting("Whether the rule is on.", default=True)


@frozen(eq=False, repr=False)
class Rules(Record):
    """The rules of a project."""

    rules: tuple[Rule, ...] = setting("The rules, in any order.", default=())


def propose(view: LifecycleView, settings: Rules) -> Iterator[FileAction]:
    """A proposal for every file that a rule lets go."""
    for rule in settings.rules:
        if not rule.enabled:
            continue
        chain = " and ".join(rule.consumed_by)
        for file in view.files(rule.files):
            age = view.data_age(file) if rule.age == "data" else view.age(file)
            if age is None or age < rule.min_age:
                continue
            if view.why_not_consumed(file, rule.consumed_by) is None:
                reason = f"consumed by {chain}, {age / 86_400:.1f} days old"
                yield FileAction(kind=rule.action, path=file.path, reason=reason)
