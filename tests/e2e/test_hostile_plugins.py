"""A configured plugin fails its own stage alone, whatever its code does; another one is not run."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

HOOK = """

@hookimpl
def pipekit_stages():
    yield StageSpec("{name}", plan)
"""
PLAN = """
import atexit, os, signal, sys, threading, time
from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

class Unspeakable(BaseException):
    def __str__(self):
        raise self
    __repr__ = __str__

class Nameless(Exception):
    @property
    def __traceback__(self):
        raise KeyboardInterrupt

class Deaf:
    def write(self, *words):
        raise KeyboardInterrupt
    flush = fileno = write

class Liar:
    __class__ = StagePlan

def plan(ctx, settings):
    {code}
    return StagePlan(reason="always", tasks=[Task(name="t", command=Command(argv=["true"]))])
"""
FAILING = {  # what the plan does → what its stage's error says
    "interrupt": ("raise KeyboardInterrupt", "its plan raised KeyboardInterrupt"),
    "generator": ("raise GeneratorExit", "its plan raised GeneratorExit"),
    "unspeakable": ("raise Unspeakable", "its message cannot be shown"),
    "nameless": ("raise Nameless", "its plan raised an exception that cannot be shown"),
    "exits": ("sys.exit(0)", "SystemExit: 0"),
    "exits_at_once": ("os._exit(0)", "os._exit(0) was refused"),
    "sleeps": ("time.sleep(60)", "within 1s (stages.sleeps.plan_timeout)"),
    "spins": ("while True: pass", "within 1s (stages.spins.plan_timeout)"),
    "endless": (
        "return StagePlan(reason='x', warnings=iter(lambda: time.sleep(0.01) or 'more', None))",
        "within 1s (stages.endless.plan_timeout)",
    ),
    "waits": ("import subprocess; subprocess.run(['sleep', '60'])", "within 1s"),
    "deep": ("plan(ctx, settings)", "RecursionError"),
    "memory": ("raise MemoryError", "MemoryError"),
    "lies": ("return Liar()", "plan must return a StagePlan"),
    "signals": ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "main thread"),
}
HARMLESS = {
    "forks": "if os.fork() == 0: time.sleep(60)",
    "starts": "import subprocess; subprocess.Popen(['sleep', '60'])",
    "thread": "threading.Thread(target=time.sleep, args=[60]).start()",
    "hook": "atexit.register(time.sleep, 60); atexit.register(lambda: 1 / 0)",
    "ends_hook": "atexit.register(os._exit, 7)",
    "thread_exits": "threading.Thread(target=sys.exit).start()",
    "moves": "os.chdir('/'); os.environ.clear(); os.close(2); os.close(0)",
    "forgets": "sys.modules.clear(); sys.path.clear(); sys.meta_path.clear(); sys.modules = {}",
    "replaces": "sys.modules['json'] = None; sys.stderr = sys.stdout = Deaf(); os.environ = {}",
    "opens": "os.umask(0)",
    "lowers": "sys.setrecursionlimit(40)",
    "traces": "threading.settrace(lambda *a: 1 / 0); threading.setprofile(lambda *a: 1 / 0)",
    "pool": "from concurrent.futures import ThreadPoolExecutor as P; import subprocess as s\n"
    "    P().submit(s.Popen, ['sleep', '60']).result()",
}
AT_IMPORT = {
    "import_interrupt": (
        "raise KeyboardInterrupt",
        "KeyboardInterrupt (import_interrupt_plugin.py:",
    ),
    "import_exits": ("os._exit(0)", "os._exit(0) was refused"),
    "import_unspeakable": ("raise Unspeakable", "its message cannot be shown"),
    "import_sleeps": ("time.sleep(60)", "stages.import_sleeps.plan_timeout"),
}
if sys.platform != "win32":
    HARMLESS["limits"] = (
        "import resource as r\n"
        "    r.setrlimit(r.RLIMIT_NOFILE, (3, r.getrlimit(r.RLIMIT_NOFILE)[1]))\n"
        "    r.setrlimit(r.RLIMIT_FSIZE, (0, r.getrlimit(r.RLIMIT_FSIZE)[1]))"
    )
MARK = "PIPEKIT_TEST_OF_HOSTILE_PLUGINS"


def configure(project, names) -> None:
    stages = ", ".join(f'"{name}"' for name in names)
    limits = "".join(f'[stages.{name}]\nplan_timeout = "1s"\n' for name in names)
    project.config(f"[pipeline]\nstages = [{stages}]\n{limits}")


def plugin(project, name: str, code: str) -> None:
    project.plugin(name, PLAN.replace("{code}", code) + HOOK.replace("{name}", name))


def running(mark: str) -> list[str]:
    """The processes with this variable in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text())
        except OSError:
            continue
    return found


def test_a_plugin_fails_its_stage_alone_whatever_its_code_does(project, eventually):
    """All at once: each stage ends as it must, the last one succeeds, and nothing is left."""
    for name, (code, _) in FAILING.items():
        plugin(project, name, code)
    for name, code in HARMLESS.items():
        plugin(project, name, code)
    for name, (code, _) in AT_IMPORT.items():
        project.plugin(
            name, PLAN.replace("{code}", "pass").replace("def plan", f"{code}\ndef plan")
        )
    plugin(project, "last", "pass")
    configure(project, [*FAILING, *HARMLESS, *AT_IMPORT, "last"])
    mark = f"{MARK}={os.getpid()}"
    run = project.pipekit("run", "--json", env=dict([mark.split("=")]))
    stages = {stage["stage"]: stage for stage in run.json["stages"]}
    for name, (_, said) in {**FAILING, **AT_IMPORT}.items():
        late = "plan_timeout" in said or name == "waits"
        ended = (stages[name]["status"], stages[name]["kind"])
        assert ended == ("failure", "timeout" if late else "plugin"), stages[name]
        assert said in stages[name]["error"]
    assert {stages[name]["status"] for name in (*HARMLESS, "last")} == {"success"}
    assert "its plan left 1 process running" in run.err
    assert (run.code, run.json["exit_code"], project.events()[-1]["data"]["exit_code"]) == (1, 1, 1)
    if sys.platform == "linux":
        eventually(lambda: not running(mark))  # the spawner needs an instant to end
    assert project.pipekit("run", "--only", "last").code == 0


def test_a_plugin_that_is_not_configured_is_not_imported(project):
    """Its code may do anything: `run` and `plan` do not run it."""
    project.plugin("stranger", "import os\nos.mkdir('imported')\nos._exit(9)")
    plugin(project, "last", "pass")
    configure(project, ["last"])
    assert project.pipekit("plan").code == 0
    assert project.pipekit("run").code == 0
    assert not (project.root / "imported").exists()
    listed = project.pipekit("plugins", "list")
    assert (project.root / "imported").exists()
    assert "os._exit(9) was refused" in listed.err
    assert "last" in listed.out


@pytest.mark.skipif(sys.platform != "linux", reason="children are found only there")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
@pytest.mark.parametrize("words", ["run", "plan", "config check", "plugins list", "lifecycle plan"])
def test_a_signal_during_an_import_leaves_nothing_running(project, eventually, number, code, words):
    wait = "import subprocess; subprocess.run(['sleep', '60'])\n"
    project.plugin("slow", wait)
    project.config('[pipeline]\nstages = ["slow"]\n')
    mark = f"{MARK}={os.getpid()}-{number}-{words.split()[0]}"
    project.env |= dict([mark.split("=")])
    run = project.start(*words.split())
    eventually(lambda: any("sleep" in command for command in running(mark)))
    run.send_signal(number)
    _, said = run.communicate(timeout=20)
    assert run.returncode == code
    if words == "run":
        assert f"{number.name} came before the run began: nothing was started" in said
    elif number != signal.SIGINT:
        assert said == f"pipekit: stopped by {number.name}\n"
    eventually(lambda: not running(mark))


@pytest.mark.skipif(os.name == "nt", reason="descriptors as on POSIX")
def test_the_exit_code_is_that_of_the_run_when_all_descriptors_are_closed(project):
    """Nothing can be printed then, and the exit code 1 of Python itself would say "partial"."""
    code = (PLAN + HOOK).replace("{code}", "pass").replace("{name}", "closes")
    project.plugin("closes", f"import os\nos.closerange(0, 1024)\n{code}")
    plugin(project, "last", "pass")
    configure(project, ["closes", "last"])
    run = project.pipekit("run")
    assert (run.code, project.report()["exit_code"]) == (0, 0)
    configure(project, ["last"])
    assert project.pipekit("run").code == 0


AGAIN = """import subprocess
    while True:
        try: subprocess.run(["sleep", "60"])
        except BaseException: pass"""


@pytest.mark.parametrize("code", ["time.sleep(60)", "while True: pass", AGAIN])
def test_a_run_that_is_planning_ends_soon_after_sigterm(project, code, eventually):
    """Exit code, journal and report say that it was cancelled."""
    project.plugin("slow", (PLAN + HOOK).replace("{code}", code).replace("{name}", "slow"))
    project.config('[pipeline]\nstages = ["slow"]\n')
    mark = f"{MARK}={os.getpid()}-planning"
    project.env |= dict([mark.split("=")])
    run = project.start("run")
    while not list((project.root / "logs/events").glob("*.jsonl")):
        time.sleep(0.02)
    time.sleep(0.2)
    run.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    run.communicate(timeout=20)
    assert time.monotonic() - asked < 5
    assert run.returncode == 143
    assert (project.events()[-1]["event"], project.report()["exit_code"]) == ("cancelled", 143)
    assert project.report()["stages"][0]["status"] == "cancelled"
    if sys.platform == "linux":
        eventually(lambda: not running(mark))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no timers of the system")
@pytest.mark.parametrize("where", ["import", "plan"])
def test_the_system_ends_a_run_whose_interpreter_is_blocked(project, where):
    """A C call that never returns keeps pipekit from acting; the next run says what happened."""
    block = "import ctypes; ctypes.PyDLL(None).sleep(60)"
    code = (PLAN + HOOK).replace("{name}", "blocks")
    code = code.replace("{code}", block if where == "plan" else "pass")
    project.plugin("blocks", code if where == "plan" else f"{block}\n{code}")
    plugin(project, "last", "pass")
    configure(project, ["blocks", "last"])
    assert project.pipekit("run", timeout=30).code == -signal.SIGALRM
    configure(project, ["last"])
    again = project.pipekit("run")
    assert again.code == 0
    assert ("run 1 " in again.err) == (where == "plan")
    assert project.pipekit("status").code == 0


SINK_AND_POLICY = """
import os
from contextlib import contextmanager
from pipekit import EventSink, LifecyclePolicy, hookimpl

class Unspeakable(BaseException):
    def __str__(self):
        raise self

@contextmanager
def ends(ctx, settings):
    yield lambda event: os._exit(0)

@contextmanager
def unspeakable(ctx, settings):
    import subprocess
    subprocess.Popen(["sleep", "60"])
    raise Unspeakable
    yield

def quits(view, settings):
    os._exit(0)

def interrupts(view, settings):
    yield from ()
    raise KeyboardInterrupt

@hookimpl
def pipekit_event_sinks():
    yield EventSink("ends", ends)
    yield EventSink("unspeakable", unspeakable)

@hookimpl
def pipekit_lifecycle_policies():
    yield LifecyclePolicy("quits", quits)
    yield LifecyclePolicy("interrupts", interrupts)
"""


def test_sinks_and_policies_cannot_end_a_run_either(project, eventually):
    """They are named in warnings; one that cannot be imported is, too."""
    project.plugin("ends", SINK_AND_POLICY)
    project.plugin("torn", "raise KeyboardInterrupt")
    plugin(project, "last", "pass")
    tables = "[sinks.ends]\n[sinks.unspeakable]\n[sinks.torn]\n[sinks.console]\n"
    policies = "[lifecycle.quits]\n[lifecycle.interrupts]\n[lifecycle.torn]\n"
    project.config(f'[pipeline]\nstages = ["last"]\n{tables}{policies}')
    mark = f"{MARK}={os.getpid()}-sinks"
    run = project.pipekit("run", "--json", env=dict([mark.split("=")]))
    assert (run.code, run.json["status"]) == (0, "success")
    if sys.platform == "linux":
        eventually(lambda: not running(mark))
    warnings = "\n".join(run.json["warnings"])
    for said in (
        "sink 'ends' was dropped: SystemExit: os._exit(0) was refused",
        "sink 'unspeakable' was dropped: Unspeakable (its message cannot be shown",
        "sink 'torn' was dropped: PluginError: plugin torn 0.1",
        "policy 'quits' raised SystemExit",
        "policy 'interrupts' raised KeyboardInterrupt",
        "policy 'torn' failed: plugin torn 0.1",
    ):
        assert said in warnings


CHANGES = """
import os, sys
from contextlib import contextmanager
from pipekit import Command, EventSink, StagePlan, StageSpec, Task, hookimpl

@contextmanager
def changes(ctx, settings):
    def emit(event):
        if event.stage == "first" and not os.path.exists("changed"):
            open("changed", "w").close()
            os.umask(0)
            os.chdir("/")
            sys.setrecursionlimit(60)
            sys.modules["json"] = None
    yield emit

def plan(ctx, settings):
    import json
    worker = f"import os, time; open('made-{ctx.stage}', 'w').close(); time.sleep(0.5)"
    return StagePlan(reason=os.getcwd(), tasks=[
        Task(name="t", command=Command(argv=[sys.executable, "-c", worker], cwd=ctx.root))])

@hookimpl
def pipekit_stages():
    yield StageSpec("first", plan)
    yield StageSpec("second", plan)

@hookimpl
def pipekit_event_sinks():
    yield EventSink("changes", changes)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the umask can be read only there")
def test_what_a_sink_changes_is_put_back_before_the_next_stage(project):
    project.plugin("changes", CHANGES)
    project.config('[pipeline]\nstages = ["first", "second"]\n[sinks.changes]\n')
    run = project.pipekit("run")
    assert (project.root / "changed").exists()
    assert (run.code, project.report()["exit_code"]) == (0, 0), run
    modes = {(project.root / f"made-{name}").stat().st_mode for name in ("first", "second")}
    assert len(modes) == 1
    assert {stage["reason"] for stage in project.report()["stages"]} == {str(project.root)}


SETTINGS = """
from attrs import frozen
from pipekit import StageSpec, hookimpl, setting
from pipekit import StagePlan

def check(instance, attribute, value):
    raise KeyboardInterrupt

@frozen
class Settings:
    n: int = setting("A number.", default=1, validator=check)

@hookimpl
def pipekit_stages():
    yield StageSpec("checks", lambda ctx, settings: StagePlan.skip("x"), settings=Settings)
"""


def test_settings_that_cannot_be_made_fail_their_stage_alone(project):
    project.plugin("checks", SETTINGS)
    plugin(project, "last", "pass")
    configure(project, ["checks", "last"])
    stages = {s["stage"]: s for s in project.pipekit("run", "--json").json["stages"]}
    assert stages["checks"]["error"] == "its settings cannot be used: KeyboardInterrupt"
    assert stages["last"]["status"] == "success"


@pytest.mark.parametrize("words", [("run",), ("run", "--json")], ids=" ".join)
def test_the_exit_code_is_that_of_the_run_when_a_sink_closes_stdout(project, words):
    project.plugin(
        "closes",
        """
        import sys
        from contextlib import contextmanager
        from pipekit import EventSink, StagePlan, StageSpec, hookimpl

        @contextmanager
        def opened(ctx, settings):
            yield lambda event: sys.stdout.close()

        @hookimpl
        def pipekit_stages():
            yield StageSpec("closes", lambda ctx, settings: StagePlan.skip("nothing"))

        @hookimpl
        def pipekit_event_sinks():
            yield EventSink("closes", opened)
        """,
    )
    project.config('[pipeline]\nstages = ["closes"]\n[sinks.closes]\n')
    done = project.pipekit(*words)
    assert done.code == 0
    assert "Traceback" not in done.err
