"""The contract suites go red for what breaks the contract, each test for its own reason."""

import importlib.metadata
import re
import textwrap
from contextlib import contextmanager

import attrs
import click
import pytest

from pipekit import (
    ActionKind,
    Command,
    ConfigError,
    EventSink,
    FileAction,
    LifecyclePolicy,
    StagePlan,
    StageSpec,
    Task,
    setting,
)
from pipekit.errors import DefinitionError, PluginError
from pipekit.testing import (
    EXAMPLES,
    CommandContract,
    PolicyContract,
    SinkContract,
    StageContract,
    installed,
    plan,
    propose,
)


def stage_suite(plan_function, settings=None):
    """A suite for a stage that plans so."""

    class Suite(StageContract):
        spec = StageSpec("strange", plan_function, settings=settings)

    return Suite()


def one_task(**more):
    return StagePlan(reason="always", tasks=[Task(name="t", command=Command(argv=["x"]), **more)])


@attrs.frozen
class Nested:
    depth: int = attrs.field(default=1)


@attrs.frozen
class Undocumented:
    inner: tuple[Nested, ...] = setting("Some.", default=())


@attrs.frozen
class Demanding:
    needed: str = setting("Cannot be left out.")


@attrs.frozen
class Mistyped:
    n: int = setting("A number.", default="five")


def test_a_default_of_another_type_is_noticed():
    suite = stage_suite(lambda *_: one_task(), Mistyped)
    with pytest.raises(AssertionError, match=r"of n does not fit its type, integer.*Mistyped"):
        suite.test_every_setting_has_help_and_a_default()


def test_a_default_of_none_needs_a_type_that_has_it():
    @attrs.frozen
    class Unset:
        name: str | None = setting("A name.", default=None)

    @attrs.frozen
    class Wrong:
        name: str = setting("A name.", default=None)

    stage_suite(lambda _ctx, _settings: None, Unset).test_every_setting_has_help_and_a_default()
    with pytest.raises(AssertionError, match="the default None of name does not fit its type"):
        stage_suite(lambda _ctx, _settings: None, Wrong).test_every_setting_has_help_and_a_default()


def test_a_stage_that_needs_no_files_may_always_have_work(tmp_path):
    suite = stage_suite(lambda *_: one_task())
    type(suite).needs_files = False
    suite.test_an_empty_project_is_skipped_with_a_reason(tmp_path)


def test_a_stage_that_always_has_work_is_noticed(tmp_path):
    """Tasks in an empty project fail the suite."""
    with pytest.raises(AssertionError, match="tasks in an empty project"):
        stage_suite(lambda _ctx, _s: one_task()).test_an_empty_project_is_skipped_with_a_reason(
            tmp_path
        )


def test_a_plan_without_a_reason_is_noticed(tmp_path):
    """Skipping silently fails the suite."""
    with pytest.raises(AssertionError, match="gives no reason"):
        stage_suite(
            lambda _ctx, _s: StagePlan(reason=" ")
        ).test_an_empty_project_is_skipped_with_a_reason(tmp_path)


def test_a_plan_that_changes_from_call_to_call_is_noticed(tmp_path):
    """A counter in a plan fails the suite."""
    calls = iter("ab")
    with pytest.raises(AssertionError):
        stage_suite(lambda _ctx, _s: StagePlan(reason=next(calls))).test_a_plan_is_a_value(tmp_path)


def test_a_plan_that_writes_is_noticed(tmp_path):
    """A marker file, or an empty folder, fails the suite."""

    def writing(ctx, _settings):
        (ctx.root / "made").mkdir()
        return StagePlan(reason="wrote")

    with pytest.raises(AssertionError):
        stage_suite(writing).test_planning_changes_no_file(tmp_path)


def test_a_plan_that_forgets_what_was_consumed_is_noticed(tmp_path):
    """Inputs that ignore the ledger fail the suite."""
    (tmp_path / "a.txt").touch()

    def forgetful(ctx, _settings):
        everything = attrs.evolve(ctx, force=True).pending(ctx.files("*.txt"))
        return StagePlan(reason="again", inputs=everything.inputs)

    with pytest.raises(AssertionError):
        stage_suite(forgetful).test_what_is_consumed_is_not_planned_again(tmp_path)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a\\b"])
def test_paths_out_of_the_project_are_noticed(tmp_path, path):
    """Absolute paths, `..` and backslashes fail the suite."""
    with pytest.raises(AssertionError):
        stage_suite(lambda _ctx, _s: one_task(outputs=[path])).test_paths_are_relative_to_the_root(
            tmp_path
        )


def test_tasks_after_no_task_are_noticed():
    """An `after` that names nothing is refused when the plan is made."""
    with pytest.raises(DefinitionError, match="depends on unknown task 'u'"):
        one_task(after=["u"])


@pytest.mark.parametrize("where", ["top", "inside"])
def test_a_plan_that_imports_a_data_library_is_noticed(tmp_path, monkeypatch, where):
    """At module level or within the plan: both cost every run."""
    line = "import numpy"
    (tmp_path / f"heavy_{where}.py").write_text(
        textwrap.dedent(f"""
        {line if where == "top" else ""}
        from pipekit import StagePlan
        def plan(ctx, settings):
            {line if where == "inside" else ""}
            return StagePlan(reason="heavy")
        """)
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = pytest.importorskip(f"heavy_{where}")
    with pytest.raises(AssertionError, match="imported while planning: numpy"):
        stage_suite(module.plan).test_planning_imports_no_data_library(tmp_path)


@pytest.mark.parametrize("settings", [Undocumented, Demanding])
def test_settings_without_help_or_default_are_noticed(settings):
    """A nested field without help, and a setting that must be given, fail every suite."""
    suite = stage_suite(lambda _ctx, _s: StagePlan(reason="x"), settings)
    with pytest.raises((AssertionError, PluginError), match=r"Nested\.depth has no help|needed"):
        suite.test_every_setting_has_help_and_a_default()


def test_a_plan_for_tests_takes_what_the_ledger_would_know(tmp_path):
    """`plan` hands on what is consumed, published and asked for."""
    (tmp_path / "a.txt").touch()
    (tmp_path / "b.txt").touch()

    def seen(ctx, _settings):
        pending = ctx.pending(ctx.files("*.txt"))
        facts = [*(file.path for file in pending), *ctx.published("other"), ctx.cores]
        return StagePlan(reason=repr(facts))

    spec = StageSpec("seen", seen)
    made = plan(spec, tmp_path, consumed=["a.txt"], published={"other": ["file"]}, cores=7)
    assert made.reason == "['b.txt', 'file', 7]"
    assert "a.txt" in plan(spec, tmp_path, consumed=["a.txt"], force=True).reason


class Rogue(PolicyContract):
    now = 1e12


@pytest.mark.parametrize(
    "action",
    [
        FileAction(kind=ActionKind.DELETE, path="nowhere", reason="gone"),
        FileAction(kind=ActionKind.DELETE, path="a.txt", reason=" "),
        FileAction(kind=ActionKind.DELETE, path="a.txt", reason="x", target="elsewhere"),
    ],
)
def test_a_policy_that_proposes_nonsense_is_noticed(tmp_path, action):
    """A missing file, no reason, a target for a deletion: each fails the suite."""
    (tmp_path / "a.txt").touch()
    suite = Rogue()
    suite.policy = LifecyclePolicy("rogue", lambda _view, _settings: [action])
    with pytest.raises(AssertionError):
        suite.test_proposals_name_files_that_are_there_and_why(tmp_path)


@pytest.mark.parametrize(
    ("proposed", "said"),
    [
        ("a.txt", "yield FileAction objects, not 'a.txt'"),
        (
            FileAction(kind=ActionKind.DELETE, path=__file__, reason="x"),
            "a path is relative to the project's folder",
        ),
        (FileAction(kind=ActionKind.DELETE, path="a.txt", reason=""), "FileAction(reason=...)"),
    ],
)
def test_a_wrong_proposal_is_told_what_to_change(tmp_path, proposed, said):
    """Also one whose file exists, but not in the project."""
    (tmp_path / "a.txt").touch()
    suite = Rogue()
    suite.policy = LifecyclePolicy("rogue", lambda _view, _settings: [proposed])
    with pytest.raises(AssertionError, match=re.escape(said)):
        suite.test_proposals_name_files_that_are_there_and_why(tmp_path)


def test_a_plan_of_another_type_is_told_what_to_return(tmp_path):
    """And not what attribute None lacks."""
    suite = stage_suite(lambda _ctx, _settings: None)
    with pytest.raises(AssertionError, match="the plan is None: return a StagePlan"):
        suite.test_an_empty_project_is_skipped_with_a_reason(tmp_path)


def test_a_policy_that_acts_is_noticed(tmp_path):
    """Deleting is the core's: a policy that does it fails the suite."""
    (tmp_path / "a.txt").touch()

    def acting(view, _settings):
        for file in view.files("*.txt"):
            (tmp_path / file.path).unlink()
        return []

    suite = Rogue()
    suite.policy = LifecyclePolicy("rogue", acting)
    with pytest.raises(AssertionError):
        suite.test_proposing_changes_no_file(tmp_path)


def test_a_policy_can_be_told_ages_and_what_is_not_consumed(tmp_path):
    """`propose` stands in for the ledger."""
    for name in ("a", "b"):
        (tmp_path / name).touch()

    def careful(view, settings):
        for file in view.files("*"):
            if not view.why_not_consumed(file, ["x"]) and view.data_age(file) == 5.0:
                yield FileAction(kind=ActionKind.DELETE, path=file.path, reason="old")

    policy = LifecyclePolicy("careful", careful)
    ages = {"a": 5.0, "b": 5.0}
    found = propose(policy, tmp_path, unconsumed={"b": "not yet"}, data_ages=ages)
    assert [action.path for action in found] == ["a"]


def test_a_sink_that_knows_only_some_events_is_noticed(tmp_path):
    """A sink that raises for a kind of event fails the suite at that kind."""

    @contextmanager
    def picky(_context, _settings):
        def emit(event):
            if event.event not in ("start", "success"):
                raise ConfigError([f"what is {event.event}?"])

        yield emit

    class Suite(SinkContract):
        sink = EventSink("picky", picky)

    suite = Suite()
    suite.test_it_takes_each_kind_of_event(tmp_path, EXAMPLES[0])
    with pytest.raises(ConfigError):
        suite.test_it_survives_events_of_a_later_version(tmp_path)


def test_the_examples_are_the_whole_vocabulary():
    """One example of each kind of event, numbered from 1."""
    assert [event.seq for event in EXAMPLES] == list(range(1, len(EXAMPLES) + 1))
    kinds = [(event.stage, event.event) for event in EXAMPLES]
    assert len(kinds) == len(set(kinds)) == 9 + 16 + 6 + 2 + 1


def test_a_setting_without_a_default_is_asked_for_by_name(tmp_path):
    class Suite(SinkContract):
        sink = EventSink("post", lambda _ctx, _settings: None, settings=Demanding)

    for call in (
        Suite().test_every_setting_has_help_and_a_default,
        lambda: Suite().test_it_closes_without_an_event(tmp_path),
    ):
        with pytest.raises(AssertionError, match=r"settings = Demanding\(needed=\.\.\.\)"):
            call()


def test_an_archive_without_a_target_is_told_what_it_needs(tmp_path):
    class Suite(PolicyContract):
        policy = LifecyclePolicy(
            "monthly",
            lambda *_: [FileAction(kind=ActionKind.ARCHIVE, path="a.csv", reason="old")],
        )

    (tmp_path / "a.csv").touch()
    with pytest.raises(AssertionError, match="an ARCHIVE needs `target`, the path to move"):
        Suite().test_proposals_name_files_that_are_there_and_why(tmp_path)


def command_suite(function, **options):
    """A suite for a command that calls this function."""

    class Suite(CommandContract):
        command = click.command("look", **options)(click.pass_context(function))

    return Suite()


def test_a_command_that_is_as_it_should_be_passes(tmp_path):
    def look(ctx):
        """Look at something."""
        click.echo(f"nothing in {ctx.obj['project'].name}")
        return 0

    suite = command_suite(look)
    suite.test_its_help_says_what_it_does()
    suite.test_its_name_can_be_typed()
    suite.test_an_empty_project_gets_a_sentence(tmp_path)
    suite.test_it_ends_with_an_exit_code(tmp_path)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda _: 1 / 0, "raise a PipekitError with a sentence"),
        (lambda _: "done", "return the exit code, not 'done'"),
        (lambda _: 0, "it says nothing in an empty project"),
    ],
)
def test_a_command_that_fails_or_says_nothing_is_noticed(tmp_path, answer, said):
    with pytest.raises(AssertionError, match=said):
        command_suite(answer).test_an_empty_project_gets_a_sentence(tmp_path)


def test_a_command_without_help_is_noticed():
    with pytest.raises(AssertionError, match="give its function a docstring"):
        command_suite(lambda _: 0).test_its_help_says_what_it_does()
    with pytest.raises(AssertionError, match="write a whole sentence"):
        command_suite(lambda _: 0, help="look").test_its_help_says_what_it_does()


def test_an_option_without_help_is_noticed():
    option = click.Option(["--deep"])
    suite = command_suite(lambda _: 0, help="Look.", params=[option])
    with pytest.raises(AssertionError, match="--deep"):
        suite.test_its_help_says_what_it_does()


def test_what_is_not_installed_is_told_with_what_to_do():
    with pytest.raises(AssertionError, match="no installed plugin offers the stage 'nobody'"):
        installed("stage", "nobody")
    with pytest.raises(AssertionError, match="install it first"):
        installed("command", "nothing")
    assert installed("sink", "console") == "pipekit"
    assert installed("executor", "local") == "pipekit"
    for point in importlib.metadata.entry_points(group="pipekit.commands", name="results"):
        assert installed("command", "results") == point.dist.name == "pipekit-merger"
