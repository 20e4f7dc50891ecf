"""The settings of the executor `dask`: no address at which strangers are obeyed."""

from __future__ import annotations

import pytest

pytest.importorskip("pipekit_dask")
from pipekit_dask.settings import Settings


@pytest.mark.parametrize(
    "address",
    ["local", "tls://far:8786", "tcp://127.0.0.1:8786", "tcp://localhost:1", "tcp://[::1]:1"],
)
def test_tls_and_the_loopback_are_safe(address):
    assert Settings(address=address).address == address


@pytest.mark.parametrize("address", ["tcp://far:8786", "tcp://127.0.0.1.far:1", "tcp://10.0.0.1:1"])
def test_anything_else_is_refused_unless_it_is_asked_for(address):
    with pytest.raises(ValueError, match="neither TLS nor the loopback"):
        Settings(address=address)
    assert Settings(address=address, insecure=True).address == address


@pytest.mark.parametrize("address", ["", "far:8786", "http://far:1", "inproc://x"])
def test_what_is_no_address_of_a_scheduler_is_refused(address):
    with pytest.raises(ValueError, match="must be"):
        Settings(address=address, insecure=True)
