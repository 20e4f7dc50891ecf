"""What a plan sends is what its worker reads, or it is refused."""

from __future__ import annotations

import io
import sys

import pytest
from attrs import frozen

from pipekit import Command
from pipekit.worker import request


@frozen(kw_only=True)
class Part:
    name: str
    sizes: tuple[int, ...] = ()


@frozen(kw_only=True)
class Request:
    folder: str
    parts: tuple[Part, ...] = ()


@pytest.fixture
def sent(monkeypatch):
    """Put the standard input of a worker in place: that of the command for this request."""

    def send(value):
        data = Command.python("worker", request=value).stdin
        monkeypatch.setattr(sys, "stdin", io.StringIO(data.decode()))

    return send


def test_a_worker_reads_the_object_that_its_plan_sent(sent):
    made = Request(folder="data/ä", parts=(Part(name="ES", sizes=(1, 2)), Part(name="NQ")))
    sent(made)
    assert request(Request) == made


def test_defaults_are_left_out_of_the_request(sent):
    """A hundred thousand files may be in it, and most of their fields hold the default."""
    sent(Request(folder="data", parts=(Part(name="ES"),)))
    assert request() == {"folder": "data", "parts": [{"name": "ES"}]}


def test_without_a_class_the_plain_value_is_read(sent):
    sent({"folder": "data", "parts": []})
    assert request() == {"folder": "data", "parts": []}


@pytest.mark.parametrize(
    "wrong",
    [{"folder": "data", "part": []}, {"parts": []}, {"folder": "data", "parts": [{"nam": "ES"}]}],
    ids=["unknown key", "missing key", "unknown key below"],
)
def test_a_request_that_does_not_fit_is_refused(sent, wrong):
    """A worker of another version than the plan must not start with half of the request."""
    sent(wrong)
    with pytest.raises(Exception, match=r"part|folder|nam"):
        request(Request)
