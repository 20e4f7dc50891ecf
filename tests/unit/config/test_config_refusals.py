"""A refused setting is named once: its key is put before the validator's clause."""

from __future__ import annotations

import importlib
import re
from importlib.metadata import entry_points

import attrs
import pytest

from pipekit.config.describe import nested_classes, settings_fields
from pipekit.config.expect import ExpectConfig
from pipekit.config.tables import TABLES, StageConfig
from pipekit.scripts import Found
from pipekit.settings import RefusedError

HOOKS = (
    "pipekit_stages",
    "pipekit_lifecycle_policies",
    "pipekit_event_sinks",
    "pipekit_executors",
)
WRONG = (
    *("", "?", "..", "/", "/a", "C:/a", "two words", "(", "x", "tcp://10.0.0.1:1"),
    *(-1, 0, 0.5, 2, 61, 10**9),
    *(
        (),
        ("..",),
        ("a", "a"),
        ("{nothing}",),
        ("",),
        {},
        {"a": "b"},
        {"a": 0},
        (Found(pattern="("),),
    ),
)


class Instance:
    """The object whose field is checked: of the fields that validators look at, nothing is set."""

    preset = "none"

    def __getattr__(self, name):
        return ()


def settings_classes():
    """The settings classes of the core and of each installed plugin, with those nested in them."""
    found = [*TABLES.values(), StageConfig, ExpectConfig]
    for entry in entry_points(group="pipekit"):
        plugin = importlib.import_module(entry.module)
        for hook in HOOKS:
            specs = getattr(plugin, hook, tuple)()
            found += [spec.settings for spec in specs if spec.settings is not None]
    for cls in found:
        for field in settings_fields(cls).values():
            found += [nested for nested in nested_classes(field.type) if nested not in found]
    return found


CHECKED = [
    pytest.param(attribute, id=f"{cls.__module__}.{cls.__qualname__}.{attribute.name}")
    for cls in settings_classes()
    for attribute in attrs.fields(cls)
    if getattr(attribute.validator, "__module__", "") == "pipekit.settings"
]


def refusals(attribute):
    """What the field's validator says about values that are wrong for some field."""
    for value in WRONG:
        try:
            attribute.validator(Instance(), attribute, value)
        except RefusedError as error:
            if isinstance(error.__cause__, ValueError):
                yield str(error)
        except Exception:  # a value of a type that never gets to this validator
            pass


def test_every_distribution_is_looked_at():
    packages = {param.id.split(".")[0] for param in CHECKED}
    assert packages >= {
        *("pipekit", "pipekit_translator", "pipekit_analyzer", "pipekit_merger", "pipekit_batch"),
        *("pipekit_dask", "pipekit_notify", "pipekit_otel", "pipekit_ping"),
    }


@pytest.mark.parametrize("attribute", CHECKED)
def test_a_validator_does_not_repeat_the_key(attribute):
    said = list(refusals(attribute))
    assert said, "none of the wrong values was refused"
    begins = re.compile(rf"\W*{attribute.name}\b|.*'{attribute.name}'")
    assert [text for text in said if begins.match(text)] == []
