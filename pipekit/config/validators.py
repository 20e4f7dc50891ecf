"""What the values of the core's own tables must be: attrs validators, and one converter.

Each validator raises ValueError with what a value must be; where it stands is added by the caller.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from typing import Any

from pipekit.model.names import checked_name, did_you_mean
from pipekit.model.timetable import WEEKDAYS, check_interval, hours_between

MOST_STAGES = 1_000
_MOST_RETRIES = 100
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO)

Validator = Callable[[object, object, Any], None]


def at_least(least: float) -> Validator:
    """A validator for numbers of `least` or more; None passes."""

    def check(_instance: object, _attribute: object, value: float | None) -> None:
        if value is not None and value < least:
            raise ValueError(f"must be {least} or more, not {value:g}")

    return check


def positive(_instance: object, _attribute: object, value: float | None) -> None:
    """Numbers above 0; None passes."""
    if value is not None and value <= 0:
        raise ValueError("must be greater than 0")


def interval(instance: object, attribute: object, value: float | None) -> None:
    """Seconds between two starts: a minute or more that every scheduler can keep."""
    at_least(60)(instance, attribute, value)
    if value is not None:
        check_interval(value)


def hours(_instance: object, _attribute: object, value: str) -> None:
    """Hours of a day, like `08:00-22:00`."""
    hours_between(value)


def weekdays(_instance: object, _attribute: object, value: tuple[str, ...]) -> None:
    """At least one weekday."""
    if not value:
        raise ValueError(f"name at least one of {', '.join(WEEKDAYS)}")


def nice(_instance: object, _attribute: object, value: int) -> None:
    """A niceness from normal to lowest."""
    if value not in range(20):
        raise ValueError(f"must be from 0 to 19, not {value}")


def retries(_instance: object, _attribute: object, value: int) -> None:
    """How often something may be tried again."""
    if value not in range(_MOST_RETRIES + 1):
        raise ValueError(f"must be from 0 to {_MOST_RETRIES}, not {value}")


def inner_path(_instance: object, _attribute: object, value: str) -> None:
    """A folder inside the project."""
    if not value or value.startswith("/") or value[1:2] == ":" or "\\" in value:
        raise ValueError(f'must be a folder inside the project, written with /, not "{value}"')
    if ".." in value.split("/"):
        raise ValueError(f'must not lead out of the project: "{value}"')


def inner_paths(instance: object, attribute: object, value: tuple[str, ...]) -> None:
    """Folders inside the project, and not all of it."""
    for path in value:
        inner_path(instance, attribute, path)
        if path in (".", "./"):
            raise ValueError("must not be the whole project: name the folders")


def with_slashes(paths: Any) -> Any:
    """Absolute paths as the ledger has them; anything else is left to the validator."""
    if not isinstance(paths, list | tuple):
        return paths
    return tuple(
        os.path.normpath(each).replace(os.sep, "/") if isinstance(each, str) and each else each
        for each in paths
    )


def outer_paths(_instance: object, _attribute: object, value: tuple[str, ...]) -> None:
    """Absolute paths of folders outside the project."""
    for path in value:
        drive, rest = os.path.splitdrive(path)
        if not os.path.isabs(path) or (os.name == "nt" and not drive):
            raise ValueError(f'must be absolute paths of folders outside the project, not "{path}"')
        if not rest.strip("/"):
            raise ValueError(f'must not be a whole file system: "{path}"')


def name_or_none(instance: object, attribute: object, value: str | None) -> None:
    """A name as plugins have them; None passes."""
    if value is not None:
        checked_name(instance, attribute, value)


def stage_names(instance: object, attribute: object, value: tuple[str, ...]) -> None:
    """Names of stages, each once."""
    if len(value) > MOST_STAGES:
        raise ValueError(f"lists more than {MOST_STAGES:,} stages")
    for name in value:
        checked_name(instance, attribute, name)
    twice = sorted({name for name in value if value.count(name) > 1})
    if twice:
        raise ValueError(f"lists a stage more than once: {', '.join(twice)}")


def zone(_instance: object, _attribute: object, value: str) -> None:
    """A time zone that this machine knows; empty is the system's."""
    if not value:
        return
    import zoneinfo  # few projects name a zone

    try:
        zoneinfo.ZoneInfo(value)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as error:
        if isinstance(error, OSError) and error.errno in _SHORTAGES:
            raise ValueError(f'cannot read the time zone "{value}": {error.strerror}') from error
        hint = did_you_mean(value, zoneinfo.available_timezones())
        raise ValueError(f'unknown time zone "{value}"{hint}') from error


def credential_name(_: object, _attribute: object, value: str) -> None:
    """A name that systemd takes for a credential."""
    if value and not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,200}", value):
        raise ValueError("must be a name of letters, digits, '-', '_' and '.'")
