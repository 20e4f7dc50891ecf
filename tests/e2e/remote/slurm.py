"""A real Slurm of two nodes on this machine, from Debian's packages, without installing them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PACKAGES = (
    *("libhwloc15", "liblua5.1-0", "libmunge2", "munge", "slurm-wlm-basic-plugins"),
    *("slurm-client", "slurmd", "slurmctld"),
)
LIBRARIES = "usr/lib/x86_64-linux-gnu"
FOLDER_VARIABLE = "PIPEKIT_SLURM"  # names a folder with the unpacked packages, to save the download
CONFIG = """
ClusterName=t
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/none
CredType=cred/none
SlurmUser=root
SlurmdUser=root
SlurmctldPort={ports[0]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/d-%n.pid
SlurmctldLogFile={folder}/ctld.log
SlurmdLogFile={folder}/d-%n.log
PluginDir={root}/usr/lib/x86_64-linux-gnu/slurm-wlm
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/builtin
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobCompType=jobcomp/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=15
KillWait=5
MinJobAge=3600
JobRequeue=1
NodeName=n1 NodeAddr=127.0.0.1 NodeHostname={host} Port={ports[1]} CPUs=2 State=UNKNOWN
NodeName=n2 NodeAddr=127.0.0.1 NodeHostname={host} Port={ports[2]} CPUs=2 State=UNKNOWN
PartitionName=p Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
"""


class NoSlurmError(Exception):
    """It cannot be had here; the message says why."""


class Slurm:
    """A controller and two nodes, each a process that can be killed; `env` has its commands."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder, self.root = folder, root
        libraries = f"{root}/{LIBRARIES}:{root}/{LIBRARIES}/slurm-wlm"
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("PIPEKIT_")},
            "LD_LIBRARY_PATH": libraries,
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{root}/usr/bin:{root}/usr/sbin:{os.environ['PATH']}",
        }
        host = socket.gethostname().partition(".")[0]
        text = CONFIG.format(folder=folder, root=root, host=host, ports=_free_ports(3))
        folder.joinpath("slurm.conf").write_text(text)
        for name in ("state", "spool/n1", "spool/n2"):
            (folder / name).mkdir(parents=True)

    def start(self) -> None:
        """Start what is not running, and wait until both nodes are there."""
        config = str(self.folder / "slurm.conf")
        clean = [] if any((self.folder / "state").iterdir()) else ["-c"]
        self._start("ctld", "slurmctld-wlm", *clean, "-f", config)
        for node in ("n1", "n2"):
            step = f"{self.root}/usr/sbin/slurmstepd-wlm"
            self._start(node, "slurmd-wlm", "-N", node, "-f", config, "-d", step)
        self.until(lambda: self.call("sinfo", "-h", "-t", "idle,mix,alloc", "-o", "%D") == "2")

    def kill(self, name: str) -> None:
        """Kill a daemon (`ctld`, `n1`, `n2`) as a crash does."""
        os.kill(self._pid(name), signal.SIGKILL)

    def call(self, *words: str) -> str:
        """What one of its commands prints."""
        done = subprocess.run(words, env=self.env, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def until(self, is_so, seconds: float = 60.0) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline, "not in time"
            time.sleep(0.1)

    def stop(self) -> None:
        self.call("scancel", "--me")
        for name in ("n1", "n2", "ctld"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid(name), signal.SIGKILL)

    def _pid(self, name: str) -> int:
        """The process of a daemon, as its file says. Raises ProcessLookupError."""
        file = self.folder / ("ctld.pid" if name == "ctld" else f"d-{name}.pid")
        try:
            pid = int(file.read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            raise ProcessLookupError(name) from None
        if str(self.folder).encode() not in words:
            raise ProcessLookupError(name)
        return pid

    def _start(self, name: str, program: str, *words: str) -> None:
        try:
            self._pid(name)
        except ProcessLookupError:
            program = f"{self.root}/usr/sbin/{program}"  # it goes into the background itself
            subprocess.run(
                [program, *words],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=True,
            )


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[Slurm]:
    """A Slurm that is up. Raises NoSlurmError."""
    made = Slurm(folder, _packages(folder / "packages"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


def _packages(folder: Path) -> Path:
    """The folder with the unpacked packages, downloaded if need be. Raises NoSlurmError."""
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        return Path(given)
    if os.geteuid() != 0:
        raise NoSlurmError("Slurm's daemons are started as root here")
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise NoSlurmError("its packages are Debian's, and apt-get or dpkg is not here")
    (folder / "debs").mkdir(parents=True)
    words = ["apt-get", "-q", "download", *PACKAGES]
    done = subprocess.run(
        words, cwd=folder / "debs", capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise NoSlurmError(f"apt-get cannot download it: {done.stderr.strip()[-200:]}")
    for package in (folder / "debs").glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, folder / "root"], check=True)
    return folder / "root"


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
