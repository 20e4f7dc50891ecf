"""Supervisors with one mistake each, and the test that has to notice it.

    python tests/process/mutants.py [NAME...]

Copies the package and these tests, makes the mistake in the copy, runs the named test there, and
says who survived. Ends with 1 where anybody did, or where the test fails without the mistake.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 300.0  # seconds; a test that does not end has noticed, too
_COPIED = ("pyproject.toml", "pipekit", "tests")
_RUN = """
import pathlib, sys
import pipekit
if not pathlib.Path(pipekit.__file__).is_relative_to(pathlib.Path.cwd()):
    sys.exit(f"the tests would be run with {pipekit.__file__}")
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


class Edit(NamedTuple):
    """`old` stands once in `file`, and becomes `new`."""

    file: str
    old: str
    new: str


class Mutant(NamedTuple):
    """One mistake, and what the name of the tests has of which at least one has to fail.

    `sources`: the folder of the edited files. `tests`: the folder of the tests.
    """

    name: str
    test: str
    edits: tuple[Edit, ...]
    sources: str = "pipekit/process"
    tests: str = "tests/process"


def _mutant(name: str, test: str, *edits: tuple[str, str, str]) -> Mutant:
    return Mutant(name, test, tuple(Edit(*edit) for edit in edits))


MUTANTS = [
    # Who adopts and who reaps
    _mutant(
        "no subreaper",
        "dropped_its_session_and_its_environment",
        ("linux/guardian.py", "            become_subreaper()\n", ""),
    ),
    _mutant(
        "leader reaped while others live",
        "number_of_the_leader_stays_taken",
        ("linux/guardian.py", "os.WNOHANG | os.WNOWAIT)", "os.WNOHANG)"),
        ("linux/guardian.py", "self._abandoned = False\n",
         "self._abandoned, self._used = False, resource.getrusage(resource.RUSAGE_SELF)\n"),
        ("linux/guardian.py", "_, _, used = os.wait4(self._leader, 0)", "used = self._used"),
    ),
    _mutant(
        "the spawner may be reaped by nobody else",
        "host_that_reaps_every_child",
        ("signals.py", "except ChildProcessError:  # somebody", "except IndexError:  # somebody"),
    ),
    _mutant(
        "children of threads overlooked",
        "process_that_a_thread_forked",
        ("linux/guardian.py", "in os.listdir(f\"/proc/{pid}/task\"):",
         "in sorted(os.listdir(f\"/proc/{pid}/task\"))[:1]:"),
    ),
    _mutant(
        "a page of children is all of them",
        "a_thousand_children",
        ("linux/guardian.py", "return file.read()", "return file.read(4096)"),
    ),
    # Signals
    _mutant(
        "no SIGCONT",
        "stopped_child_hangs_and_can_be_ended_politely",
        ("linux/guardian.py", "_signal.SIGTERM, _signal.SIGCONT)", "_signal.SIGTERM)"),
    ),
    _mutant(
        "SIGTERM to the leader's group alone",
        "session_of_its_own_is_asked",
        ("linux/guardian.py", "descendants(_own_children(self._children)), _signal.SIGTERM",
         "[self._leader], _signal.SIGTERM"),
    ),
    _mutant(
        "SIGKILL once, and not to what has come since",
        "new_processes_all_the_time",
        ("linux/guardian.py", "        for _ in range(_KILL_PASSES):\n",
         "        for _ in range(1 if self._pause == _FIRST_PAUSE else 0):\n"),
    ),
    _mutant(
        "a SIGKILL that worked at once is not reported",
        "hard_signal_of_ours_is_always",
        ("linux/child.py", "return Sent(leader=running)\n",
         "return Sent(leader=not self.exited())\n"),
    ),
    _mutant(
        "grace skipped",
        "needs_most_of_the_grace",
        ("stop.py", "        self.next_kill = now + self._grace\n",
         "        self.next_kill = now\n"),
    ),
    _mutant(
        "linger skipped",
        "process_that_ends_within_linger",
        ("loop.py", "return since + self._command.linger", "return since"),
    ),
    _mutant(
        "ignored signals handed on",
        "no_blocked_and_no_ignored_signals",
        ("linux/guardian.py", "        for number in _RESET:\n",
         "        for number in ():\n"),
    ),
    _mutant(
        "the host's signal mask handed on",
        "no_blocked_and_no_ignored_signals",
        ("linux/spawner_client.py", "setsigmask=()", "setsigmask=(signal.SIGUSR1,)"),
    ),
    # What a command gets and must not get
    _mutant(
        "the command gets the lock",
        "child_gets_no_descriptor_of_ours",
        ("linux/guardian.py", "_MSG_CMSG_CLOEXEC = 0x40000000", "_MSG_CMSG_CLOEXEC = 0"),
    ),
    _mutant(
        "inheritable descriptors of the host handed on",
        "child_gets_no_descriptor_of_ours",
        ("linux/guardian.py", "            _ignoring_errors(os.close, int(name))\n",
         "            pass\n"),
    ),
    # Our own death
    _mutant(
        "lock not handed to the guardian",
        "keeps_the_lock_until_then",
        ("supervisor.py", "self._spawner, self._hold_fds, cancel_fd)",
         "self._spawner, (), cancel_fd)"),
    ),
    _mutant(
        "lock given back before the tree is gone",
        "keeps_the_lock_until_then",
        ("linux/guardian.py", "self._abandoned = True\n",
         "self._abandoned = [os.close(held) for held in self._held] != 0; self._held = []\n"),
    ),
    _mutant(
        "death of the supervisor not noticed",
        "supervisor_killed_at_any_moment",
        ("linux/guardian.py", "        if not self._abandoned:\n", "        if False:\n"),
    ),
    _mutant(
        "death of the supervisor told by the socket alone",
        "a_child_that_the_host_forked_keeps",
        ("linux/guardian.py", "Guardian(control, self._host, ", "Guardian(control, -1, "),
    ),
    _mutant(
        "no grace without the supervisor",
        "command_of_a_killed_supervisor_gets_its_grace",
        ("linux/guardian.py", "min(self._kill_at, time.monotonic() + self._grace)", "0.0"),
    ),
    _mutant(
        "the spawner stays for a fork of its host",
        "spawner_ends_with_its_host",
        ("linux/guardian.py", "            poll.register(self._host, select.POLLIN)\n",
         "            pass\n"),
    ),
    _mutant(
        "orphans of a killed guardian live on",
        "hidden_daemon_whose_guardian_is_killed",
        ("linux/guardian.py", "_signal_all(descendants(orphans), _signal.SIGKILL)", "pass"),
    ),
    _mutant(
        "the leader forgotten with its guardian",
        "guardian_and_spawner_are_killed",
        ("linux/child.py", "return procfs.members_by_name(self._tree)",
         "return [m for m in procfs.members_by_name(self._tree) if m.pid != self.pid]"),
    ),
    _mutant(
        "a packet that was not heard taken as the guardian's death",
        "what_a_guardian_said_is_heard",
        ("linux/guardian.py", "except ConnectionResetError:\n            continue\n",
         'except ConnectionResetError:\n            return b""\n'),
    ),
    _mutant(
        "a start that is refused is not told so",
        "refused_in_words",
        ("linux/guardian.py", "                        self._refuse(code)\n",
         "                        self._receive_request()\n"),
    ),
    # What stands still, or is broken off
    _mutant(
        "a stopped guardian stays so",
        "guardian_that_somebody_stopped",
        ("linux/child.py", "                os.kill(self._guardian, signal.SIGCONT)\n",
         "                pass\n"),
    ),
    _mutant(
        "a stopped spawner stays so",
        "spawner_that_somebody_stopped",
        ("linux/child.py", "            spawner.resume()\n", "            pass\n"),
    ),
    _mutant(
        "a start that was given up comes late",
        "and_comes_no_more",
        ("linux/guardian.py", "        if not hung_up(control):\n", "        if True:\n"),
    ),
    _mutant(
        "a start hears no cancel",
        "cancelled_is_not_waited_for",
        ("linux/child.py", "*([cancel_fd] if cancel_fd >= 0 else [])", ""),
    ),
    _mutant(
        "a start that is broken off is not taken back",
        "exception_just_after_the_start",
        ("linux/child.py", "        _abort(ours)\n", "        pass\n"),
    ),
    _mutant(
        "who becomes another program is no member",
        "just_becoming_another_program",
        ("linux/procfs.py", "        if trees == _UNKNOWN:\n", "        if False:\n"),
    ),
    # Exit, end of output, end of the tree
    _mutant(
        "end of output taken as exit",
        "early_end_of_output",
        ("loop.py", "if self._child.exited():",
         "if self._child.exited() or not self._child.streams():"),
    ),
    _mutant(
        "exit taken as end of output, with some unread",
        "unread_when_the_command_ends",
        ("loop.py", "        if not self._child.streams():\n            return True\n",
         "        if self._empty_at is not None:\n            return True\n"),
    ),
    _mutant(
        "exit taken as the end of the tree",
        "daemon_that_left_the_session",
        ("linux/child.py", "self.lost else self._exit is not None",
         "self.lost else self._code is not None"),
    ),
    # Verdicts
    _mutant(
        "exit code 0 after our signal is a success",
        "exit_code_0_after_our_signal",
        ("verdict.py", "    return False\n\n\ndef signal_name",
         "    return code == 0\n\n\ndef signal_name"),
    ),
    _mutant(
        "a guardian that answers late has signalled nobody",
        "slow_guardian_brought_about",
        ("linux/child.py", "leader=running and not self._over", "leader=False and not self._over"),
    ),
    _mutant(
        "a killed guardian is an exit with code 0",
        "guardian_is_killed",
        ("linux/child.py", "return LOST_EXIT\n", "return Exit(0, None, None)\n"),
    ),
    _mutant(
        "CPU time is no sign of life",
        "sign_of_life_of_any_kind",
        ("hang.py", "return self.usage.cpu - before < _IDLE * (now - since)", "return True"),
    ),
    _mutant(
        "times are those of the wall clock",
        "wall_clock",
        ("loop.py", "self._start = time.monotonic()", "self._start = time.time()"),
        ("loop.py", "return time.monotonic() - self._start", "return time.time() - self._start"),
    ),
    # Output
    _mutant(
        "a secret cut by two reads is let out",
        "secrets_are_nowhere",
        ("output/stream.py", "beginnings = self._beginnings(data)", "beginnings = []"),
    ),
    _mutant(
        "a short write taken for a whole one",
        "full_disk",
        ("output/spool.py", "rest = rest[written:]", "rest = rest[max(written, len(rest)) :]"),
    ),
    _mutant(
        "the network is not looked at",
        "bytes_over_the_network",
        ("hang.py", "or self._network_moved(now)", "or (self._network_moved(now) and False)"),
    ),
    _mutant(
        "bytes that wait to be read are life",
        "bytes_that_nobody_reads",
        ("linux/sockets.py", "acknowledged + received - unread", "acknowledged + received"),
    ),
    _mutant(
        "a file that is lost is not missed",
        "output_file_that_is_lost",
        ("output/spool.py", "        self._check()\n        rest", "        rest"),
    ),
    _mutant(
        "a file of another command is written",
        "never_overwrites_the_files_of_another",
        ("output/spool.py", "os.O_CREAT | os.O_EXCL", "os.O_CREAT | os.O_TRUNC"),
    ),
    _mutant(
        "a pattern is searched in chunks and not in lines",
        "exit_code_after_completion_counts",
        ("output/stream.py",
         '(self._partial + text).split("\\n")\n        self._partial = lines.pop()\n',
         '(self._partial + text).split("\\n")\n'),
    ),
]  # fmt: skip


def misplaced(mutant: Mutant) -> list[Edit]:
    """The edits whose place is not there, or there more than once."""
    sources = ROOT / mutant.sources
    return [e for e in mutant.edits if (sources / e.file).read_text("utf-8").count(e.old) != 1]


def survives(mutant: Mutant) -> bool:
    """Whether the tests stay green. Raises RuntimeError where none could be run."""
    from pipekit import Command
    from pipekit.process import ProcessSupervisor

    with tempfile.TemporaryDirectory(prefix="pipekit-mutant-") as name:
        folder = Path(name).resolve()
        _copy(folder)
        for file, old, new in mutant.edits:
            path = folder / mutant.sources / file
            path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
        words = ["-q", "-x", "-n", "0", "-p", "no:cacheprovider", mutant.tests, "-k", mutant.test]
        command = Command(
            argv=[sys.executable, "-P", "-c", _RUN, *words],
            cwd=folder,
            env={"PYTHONPATH": str(folder)},
            timeout=PATIENCE,
            linger=0,
            grace=1,
            merge_stderr=True,
        )
        result = ProcessSupervisor().execute(command)  # which ends what a broken one leaves
    if not result.success and result.returncode != 1 and not result.signals:
        raise RuntimeError(f"{mutant.name}: not tried\n{result.stdout.tail}")
    return result.success


def _copy(folder: Path) -> None:
    """Without compiled code, which could be of the original."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in _COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder)


def unchanged(mutants: list[Mutant]) -> Mutant:
    """What must survive, or the tests would fail for another reason than the mistake."""
    tests = " or ".join({mutant.test for mutant in mutants})
    return mutants[0]._replace(name="nothing changed", test=tests, edits=())


def main(names: list[str]) -> int:
    """Try those named, or all."""
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    if not survives(unchanged(chosen)):
        print("the tests fail without any mistake")
        return 1
    alive = 0
    for mutant in chosen:
        lives = survives(mutant)
        print(f"{'SURVIVED' if lives else 'killed  '} {mutant.name}", flush=True)
        alive += lives
    return int(alive > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
