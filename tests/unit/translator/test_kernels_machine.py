"""The line of a worker's self-check that says which way kernels are run."""

from __future__ import annotations

import pytest

machine = pytest.importorskip("pipekit_kernels.machine")


def test_compiled_code_is_tried_and_its_processor_named():
    said = machine.state()
    if said.startswith("warning"):
        pytest.skip("this machine allows no compiled code")
    assert said.startswith("kernels: compiled, numba ")
    from llvmlite import binding

    assert f", for {binding.get_host_cpu_name()}" in said


def test_what_the_settings_switch_off_is_not_tried(monkeypatch):
    monkeypatch.setattr(machine, "jit_problem", lambda: pytest.fail("it was asked"))
    assert machine.state(wanted=False).startswith("kernels: interpreted, as")


def test_a_machine_that_forbids_it_gets_a_warning(monkeypatch):
    monkeypatch.setattr(machine, "jit_problem", lambda: "forbidden here")
    assert machine.state().startswith("warning: kernels: interpreted, which is slower: forbidden")
