"""The analysis without its surroundings: the kernel alone, and ten targets at once."""

from __future__ import annotations

from dataclasses import replace

from place import Place
from work import Case, peer, settings, stage

TARGETS = 10


def kernel(at: Place) -> list[Case]:
    """All breakouts of bars in memory; the scripts say how long these took, without the rest."""
    source = at.with_bars("kernel", settings()) / "data/processed"
    where = at.folder / "kernel-pipekit"
    ours = peer("kernel", "pipekit", source, where, at.pipekit, "kernel")
    floor_case = peer("kernel", "pipekit", source, at.folder / "kernel-floor", at.pipekit, "kernel")
    once = replace(
        floor_case,
        tool="numpy, one max of the columns",
        argv=lambda cores: [*floor_case.argv(cores), "floor"],
        output=None,
    )
    peers = at.beside("kernel", ("numpy", "polars", "duckdb"), source)
    return [ours, once, *peers, *at.with_vectorbt("kernel", source)]


def targets(at: Place) -> list[Case]:
    """One target, and ten at once, of seven instruments: the results cannot be the same."""
    one = at.with_bars("target", settings(variants=1))
    ten = at.with_bars("targets", settings(variants=TARGETS))
    source = one / "data/processed"
    ours = [
        replace(
            stage("targets", "analyzer", folder, "data/analyzer_runs", at.pipekit),
            tool=tool,
            output=None,
        )
        for folder, tool in ((one, "pipekit, one"), (ten, "pipekit, ten"))
    ]
    polars = [
        peer("targets", "polars", source, at.folder / f"targets-{n}", at.peers, "analyse")
        for n in (1, TARGETS)
    ]
    return [
        *ours,
        replace(polars[0], tool="polars, one", output=None),
        replace(
            polars[1],
            tool="polars, ten",
            output=None,
            argv=lambda cores: [*polars[1].argv(cores), str(TARGETS)],
        ),
    ]
