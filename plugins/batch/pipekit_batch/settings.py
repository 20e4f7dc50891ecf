"""The table `[executors.batch]`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from typing import Literal

import attrs

from pipekit import Duration, setting
from pipekit_batch.presets import PLACEHOLDERS, PRESETS, State, Template, placeholders

Preset = Literal["slurm", "none"]


def _words(*names: str) -> Callable[[object, object, list[str]], None]:
    """A validator for a command line that may have these placeholders."""

    def check(instance: object, _attribute: object, value: list[str]) -> None:
        if not value and getattr(instance, "preset", "") == "none":
            raise ValueError('is needed with preset = "none"')
        if unknown := sorted(placeholders(value) - set(names)):
            known = ", ".join(f"{{{name}}}" for name in names)
            raise ValueError(f"has no {{{unknown[0]}}}; it knows {known}")

    return check


def _pattern(_: object, _attribute: object, value: str) -> None:
    try:
        groups = re.compile(value).groupindex
    except re.error as error:
        raise ValueError(f"is not a valid regular expression: {error}") from None
    if "id" not in groups:
        raise ValueError("needs a group (?P<id>...)")


def _positive(_: object, _attribute: object, value: float) -> None:
    if value <= 0:
        raise ValueError("must be greater than 0")


@attrs.frozen(kw_only=True)
class Settings:
    """The table `[executors.batch]`."""

    preset: Preset = setting(
        "The system whose commands are the defaults of those below: slurm, or none.",
        default="slurm",
    )
    submit: list[str] = setting(
        "Submits a job, whose script is its standard input, or the file {script}; prints its id. "
        "Words with a placeholder that has no value are left out.",
        factory=list,
        validator=_words(*PLACEHOLDERS),
    )
    status: list[str] = setting(
        "Prints a line for each of our jobs: its id, its state and its node.",
        factory=list,
        validator=_words("ids"),
    )
    cancel: list[str] = setting("Removes a job.", factory=list, validator=_words("id"))
    options: list[str] = setting(
        "More words of `submit`, such as --partition=night, after its program.", factory=list
    )
    id: str = setting(
        "A pattern that finds the id in what `submit` prints.",
        default=r"(?P<id>\S+)",
        validator=_pattern,
    )
    states: Mapping[str, State] = setting(
        "What the words of `status` mean: queued, running, ended or unknown; others: unknown.",
        factory=dict,
    )
    poll: Duration = setting(
        "Time between two calls of `status`.", default=5.0, validator=_positive
    )
    limit: Duration = setting(
        "Maximum duration of one command of the system.", default=30.0, validator=_positive
    )
    pipekit: list[str] = setting(
        "How a node calls pipekit.", factory=lambda: [sys.executable, "-m", "pipekit"]
    )

    def template(self) -> Template:
        """The command lines to use: those of the preset, unless others are given."""
        preset = PRESETS.get(self.preset, Template([], [], [], self.id, {}))
        submit = self.submit or preset.submit
        return Template(
            [*submit[:1], *self.options, *submit[1:]],
            self.status or preset.status,
            self.cancel or preset.cancel,
            preset.id,
            {**preset.states, **self.states},
        )
