"""The table `[executors.dask]`."""

from __future__ import annotations

import re

import attrs

from pipekit import Duration, setting

LOCAL = "local"
_LOOPBACK = re.compile(r"tcp://(127(\.\d+){3}|localhost|\[::1\])(:\d+)?")


def _address(instance: object, _attribute: object, value: str) -> None:
    """Refuse addresses at which strangers could have anything executed."""
    if value == LOCAL:
        return
    if not re.fullmatch(r"(tcp|tls)://\S+", value):
        raise ValueError(
            f'must be "local" or the address of a scheduler, tls://HOST:PORT, not {value!r}'
        )
    safe = value.startswith("tls://") or _LOOPBACK.fullmatch(value)
    if not safe and not getattr(instance, "insecure", False):
        raise ValueError(
            f"{value} is neither TLS nor the loopback: whoever reaches such a scheduler can have "
            "any code executed on all nodes; use tls://, or insecure = true in a closed network"
        )


def _positive(_: object, _attribute: object, value: float) -> None:
    if value <= 0:
        raise ValueError("must be greater than 0")


def _not_negative(_: object, _attribute: object, value: int) -> None:
    if value < 0:
        raise ValueError("must be 0 or more")


@attrs.frozen(kw_only=True)
class Settings:
    """The table `[executors.dask]`."""

    address: str = setting(
        "The scheduler, tls://HOST:PORT; `local` starts a cluster on this machine for each run.",
        default=LOCAL,
        validator=_address,
    )
    workers: int = setting(
        "With `local`: how many worker processes.", default=2, validator=_positive
    )
    cores: int = setting(
        "With `local`: how many cores each worker offers; 0 = its share of the run's cores.",
        default=0,
        validator=_not_negative,
    )
    ca: str = setting("Certificate of the authority, a PEM file, for tls://.", default="")
    cert: str = setting("Our own certificate, a PEM file, for tls://.", default="")
    key: str = setting("The key of our certificate, a PEM file, for tls://.", default="")
    insecure: bool = setting(
        "Allow addresses that are neither TLS nor the loopback.", default=False
    )
    connect_timeout: Duration = setting(
        "How long to wait for the scheduler.", default=30.0, validator=_positive
    )
