"""The executors of the documentation keep the contract: the hook's example, and the how-to page."""

from __future__ import annotations

import textwrap

import pytest

from pipekit import hookspecs
from pipekit.testing import ExecutorContract

from ...pages import docs


def executor_of(code: str):
    """The executor that a block of a page defines."""
    names: dict[str, object] = {"__name__": "page"}
    exec(compile(textwrap.dedent(code), "page", "exec"), names)
    (executor,) = names["pipekit_executors"]()
    return executor


class TestTheHooksExample(ExecutorContract):
    doc = textwrap.dedent(hookspecs.pipekit_executors.__doc__.partition("\n")[2])
    executor = executor_of(doc.partition("```python\n")[2].partition("```")[0])


@pytest.mark.posix("a batch system of shell scripts")
class TestTheHowTo(ExecutorContract):
    """On a batch system of two small programs."""

    executor = executor_of(docs("how-to/write-an-executor.md").blocks("python")[0].text)

    @pytest.fixture(autouse=True)
    def _tiny_queue(self, tiny_queue):
        """The programs are on the PATH."""
