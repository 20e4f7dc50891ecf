"""Which plugins are switched off, and by what; of all groups of entry points alike."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pipekit.plugins.entrypoints import BUILTINS, EntryPoint

DISABLE_VARIABLE = "PIPEKIT_DISABLE_PLUGINS"


def disabled_by(
    origin: EntryPoint,
    *,
    builtins_only: bool = False,
    allow: Sequence[str] | None = None,
    deny: Sequence[str] = (),
) -> str:
    """What disables this plugin; empty if nothing does.

    `builtins_only`: the option --no-plugins. `allow` and `deny`: those of `[plugins]`, names of
    distributions or entry points.
    """
    if origin.distribution == BUILTINS:
        return ""
    if builtins_only:
        return "--no-plugins"
    names = {origin.name, origin.distribution}
    words = os.environ.get(DISABLE_VARIABLE, "").split(",")
    if not {*names, "*"}.isdisjoint(word.strip() for word in words):
        return f"the variable {DISABLE_VARIABLE}"
    if not names.isdisjoint(deny):
        return "`deny` in [plugins]"
    if allow is not None and names.isdisjoint(allow):
        return "`allow` in [plugins], which does not name it"
    return ""
