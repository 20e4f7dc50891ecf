"""A project with a pipekit.toml, as real files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pipekit.config import Configuration, load
from pipekit.errors import ConfigError

Loader = Callable[..., Configuration]
Failing = Callable[..., list[str]]


@pytest.fixture
def configured(tmp_path: Path) -> Loader:
    """`configured(text, environ, flags)`: the configuration of a project with that pipekit.toml."""

    def make(
        text: str | bytes = "",
        environ: Mapping[str, str] | None = None,
        flags: tuple[str, ...] = (),
    ) -> Configuration:
        raw = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "pipekit.toml").write_bytes(raw)
        return load(tmp_path, environ=environ or {}, flags=flags)

    return make


@pytest.fixture
def problems(configured: Loader) -> Failing:
    """`problems(text, environ, flags)`: what `load` has to say against them."""

    def fail(*given: object, **more: object) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            configured(*given, **more)
        return caught.value.problems

    return fail
