"""A broken plugin is named, not fatal; a missing one stops the run before it starts."""

from __future__ import annotations

import pytest

from pipekit import __version__

GOOD = """
from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

def plan(ctx, settings):
    return StagePlan(reason="always", tasks=[Task(name="t", command=Command(argv=["/bin/true"]))])

@hookimpl
def pipekit_stages():
    yield StageSpec("good", plan)
"""


OTHERS = ("batch", "dashboard", "dask", "kernels", "notify", "otel", "ping")


@pytest.fixture
def good(project):
    """A project with this plugin; most others are disabled, since to import all takes a second."""
    project.env["PIPEKIT_DISABLE_PLUGINS"] = ",".join(f"pipekit-{name}" for name in OTHERS)
    project.plugin("good", GOOD)
    project.config('[pipeline]\nstages = ["good"]')
    return project


def test_a_plugin_that_cannot_be_imported_is_one_warning_and_the_rest_works(good):
    """If its stage is configured, or a stage that no entry point is named after."""
    good.plugin("torn", "import nothing_like_this", dist="pipekit-torn", version="2.3")
    assert "torn" not in good.pipekit("run").err
    good.plugin("others", GOOD.replace('"good"', '"unnamed"'))
    good.config('[pipeline]\nstages = ["good", "unnamed"]')
    run = good.pipekit("run")
    assert run.code == 0
    assert "pipekit-torn 2.3" in run.err
    assert "No module named 'nothing_like_this' (torn_plugin.py:1)" in run.err
    assert run.err.count("plugin pipekit-torn 2.3") == 1
    assert ("plugin", "broken") in [(e["stage"], e["event"]) for e in good.events()]


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["status"], ["history"]])
def test_what_needs_no_plugin_imports_none(good, words):
    good.plugin("torn", "open('imported', 'w')")
    good.pipekit(*words)
    assert not (good.root / "imported").exists()
    good.pipekit("plugins", "list")
    assert (good.root / "imported").exists()


def test_a_plugin_that_exits_on_import_is_isolated(good):
    good.plugin("quitter", "import sys; sys.exit('bye')")
    run = good.pipekit("plugins", "list")
    assert run.code == 0
    assert "SystemExit: bye" in run.err


def test_a_configured_stage_that_nobody_offers_exits_3_with_the_remedy(good):
    good.config('[pipeline]\nstages = ["good", "nosuch"]')
    run = good.pipekit("run")
    assert run.code == 3
    assert "; install its plugin (`pipekit plugins doctor` says how), write a `command`" in run.err
    assert "remove it from `stages`" in run.err
    assert not (good.root / "logs").exists()


def test_a_near_name_does_not_hide_the_broken_plugin_that_may_offer_the_stage(good):
    """The stage `api` would come from a plugin that needs another version of the interface."""
    good.plugin("other", "PIPEKIT_API = '2'", dist="pipekit-api")
    good.config('[pipeline]\nstages = ["goods"]\n')
    run = good.pipekit("run")
    assert run.code == 3
    assert "pipekit-api 0.1" in run.err
    assert "it needs plugin API 2, this pipekit offers 1" in run.err
    assert "; did you mean 'good'?" in run.err


def test_a_configured_stage_whose_module_is_broken_is_a_failure_of_kind_plugin(good):
    good.plugin("torn", "import nothing_like_this")
    good.config('[pipeline]\nstages = ["good", "torn"]')
    run = good.pipekit("run", "--json")
    stages = {stage["stage"]: stage for stage in run.json["stages"]}
    assert run.code == 1
    assert stages["good"]["status"] == "success"
    assert (stages["torn"]["status"], stages["torn"]["kind"]) == ("failure", "plugin")
    assert "nothing_like_this" in stages["torn"]["error"]
    checked = good.pipekit("config", "check")
    assert (checked.code, "is valid" in checked.out) == (3, False)
    assert [line[:12] for line in checked.out.splitlines() if "nothing_like" in line] == [
        "error: torn:"
    ]


def test_a_plan_that_raises_is_a_failure_of_kind_plugin(good):
    good.plugin("good", GOOD.replace("return StagePlan", "1/0; return StagePlan"))
    run = good.pipekit("run", "--json")
    assert run.code == 2
    assert run.json["stages"][0]["kind"] == "plugin"
    assert "ZeroDivisionError" in run.json["stages"][0]["error"]


def test_two_distributions_with_one_stage_are_refused_and_both_named(good):
    """By a run if both have an entry point of this name, by `config check` in any case."""
    good.plugin("twin", GOOD, dist="pipekit-twin", version="9.9")
    assert good.pipekit("run").code == 0
    point = next(good.site.glob("pipekit_twin-*.dist-info")) / "entry_points.txt"
    checked = good.pipekit("config", "check")
    assert (checked.code, "pipekit-twin 9.9" in checked.out) == (3, True)
    point.write_text(point.read_text().replace("twin =", "good ="))
    run = good.pipekit("run")
    assert run.code == 3
    assert "pipekit-twin 9.9" in run.err
    assert "good 0.1" in run.err


def test_an_unknown_hook_is_refused_with_a_suggestion(good):
    good.plugin(
        "typo", "from pipekit import hookimpl\n@hookimpl\ndef pipekit_stage():\n    return []\n"
    )
    assert "did you mean 'pipekit_stages'?" in good.pipekit("plugins", "list").err


def test_a_hook_without_its_marker_is_refused(good):
    good.plugin("unmarked", "def pipekit_stages():\n    return []\n")
    assert "needs the decorator @hookimpl" in good.pipekit("plugins", "list").err


def test_a_hook_that_cannot_be_called_is_named_with_its_own_line(good):
    """And not with the line in pluggy that refuses it; so is an unknown one."""
    code = "from pipekit import hookimpl\n\n@hookimpl\ndef pipekit_stages(config):\n    return []\n"
    good.plugin("asks", code)
    good.plugin("typo", code.replace("stages(config)", "stage()"))
    told = good.pipekit("plugins", "doctor")
    assert (
        "pipekit_stages(config) must take no arguments: it is called as pipekit_stages()"
        in told.out
    )
    assert f"mend {good.site / 'asks_plugin.py'}:3, or remove it" in told.out
    assert f"mend {good.site / 'typo_plugin.py'}:3, or remove it" in told.out
    assert "pluggy" not in told.out


def test_a_command_that_cannot_be_imported_is_listed_and_named_with_its_line(good):
    good.plugin("torn", "import click\nimport nothing_like_this", group="pipekit.commands")
    assert "command   torn" in good.pipekit("plugins", "list").out
    assert "\ncommand " not in good.pipekit("--no-plugins", "plugins", "list").out
    told = good.pipekit("plugins", "doctor")
    assert told.code == 2, told
    assert f"mend {good.site / 'torn_plugin.py'}:2, or remove it" in told.out
    called = good.pipekit("torn")
    assert "No module named 'nothing_like_this' (torn_plugin.py:2)" in called.err


def test_an_error_in_a_command_is_laid_at_the_door_of_its_plugin(good):
    code = "import click\n@click.command()\ndef command():\n    nothing_like_this\n"
    good.plugin("wrong", code, dist="pipekit-wrong", group="pipekit.commands")
    point = next(good.site.glob("pipekit_wrong-*.dist-info")) / "entry_points.txt"
    point.write_text("[pipekit.commands]\nwrong = wrong_plugin:command\n")
    done = good.pipekit("wrong")
    assert done.code == 3
    assert done.err.splitlines()[-1].startswith("pipekit: internal error in pipekit-wrong 0.1 (")


def test_a_mistake_in_a_unit_is_named_with_the_line_of_the_worker(good):
    """An error that the worker raises of itself says what it has to."""
    code = """
        import json

        from pipekit import Command, StagePlan, StageSpec, Task, hookimpl
        from pipekit.worker import report

        def plan(ctx, settings):
            command = Command.python(__name__)
            return StagePlan(reason="x", tasks=[Task(name="t", command=command, units=["a", "b"])])

        @hookimpl
        def pipekit_stages():
            yield StageSpec("units", plan)

        if __name__ == "__main__":
            with report.unit("a"):
                json.dumps({1, 2})
            with report.unit("b"):
                raise ValueError("not today")
    """
    good.plugin("units", code)
    good.config('[pipeline]\nstages = ["units"]')
    told = good.pipekit("run")
    assert (
        "a: TypeError: Object of type set is not JSON serializable (units_plugin.py:17)" in told.out
    )
    assert "b: ValueError: not today" in good.pipekit("show").out
    assert "not today (units" not in good.pipekit("show").out


def test_a_hook_that_returns_its_stage_is_told_to_yield_it(good):
    good.plugin("good", GOOD.replace("yield StageSpec", "return StageSpec"))
    run = good.pipekit("run")
    assert "must yield its StageSpec objects: write `yield`, not `return` (good_plugin.py:7)" in (
        " ".join(run.out.split())
    )


def test_settings_that_are_an_object_are_to_be_the_class(good):
    code = GOOD.replace("plan)", "plan, settings=Settings())")
    made = "import attrs\n@attrs.frozen\nclass Settings:\n    pass\n"
    good.plugin("good", made + code)
    run = good.pipekit("run")
    assert "settings are a class: write settings=Settings, not an object of it" in run.out


def test_nobody_is_sent_to_mend_python_or_pipekit(good):
    """What raises may lie there: the line is that of the plugin, if it has one."""
    good.plugin("named", GOOD.replace('"good"', '"Bad Name"'))
    good.plugin("five", GOOD.replace('StageSpec("good", plan)', "5"))
    good.plugin("gone", "")
    (good.site / "gone_plugin.py").unlink()
    told = good.pipekit("plugins", "doctor").out
    assert f"mend {good.site / 'named_plugin.py'}:9, or remove it" in told
    assert f"mend {good.site / 'five_plugin.py'}:7, or remove it" in told
    assert told.count("mend ") == 2
    assert "install another version, or remove it" in told


def test_an_import_that_hangs_is_named_with_its_line(good):
    good.plugin("good", "import time\n\ntime.sleep(600)\n")
    good.config('[pipeline]\nstages = ["good"]\n[stages.good]\nplan_timeout = "1s"')
    run = good.pipekit("run")
    assert run.code == 2, run
    assert "there was no result within 1s (good_plugin.py:3)" in run.out


def test_executors_and_broken_commands_are_shown_as_well(good):
    assert "executor local" in good.pipekit("plugins", "show", "local").out
    good.plugin("torn", "import click\nimport nothing_like_this", group="pipekit.commands")
    shown = good.pipekit("plugins", "show", "torn").out
    assert "broken  ModuleNotFoundError: No module named 'nothing_like_this'" in shown
    assert f"line    {good.site / 'torn_plugin.py'}:2" in shown


def test_a_plugin_for_another_api_is_fenced_off(good):
    good.plugin("future", "PIPEKIT_API = '2'\n")
    assert "needs plugin API 2" in good.pipekit("plugins", "list").err


def test_deny_allow_the_variable_and_no_plugins_switch_plugins_off(good):
    good.plugin("torn", "import nothing_like_this")
    assert "nothing_like_this" in good.pipekit("plugins", "list").err
    for text in ('[plugins]\ndeny = ["torn"]', '[plugins]\nallow = ["good"]'):
        good.config(f'[pipeline]\nstages = ["good"]\n{text}')
        assert "nothing_like_this" not in good.pipekit("plugins", "list").err
    good.config('[pipeline]\nstages = ["good"]')
    off = good.pipekit("plugins", "list", env={"PIPEKIT_DISABLE_PLUGINS": "torn"})
    assert "nothing_like_this" not in off.err
    bare = good.pipekit("--no-plugins", "plugins", "list", "--json").json
    assert {row["distribution"] for row in bare["plugins"]} == {"pipekit"}


def test_commands_of_plugins_are_listed_without_import_and_run_when_called(good):
    good.plugin(
        "shout",
        "import click\nopen('imported', 'w')\n"
        "@click.command()\ndef shout():\n    click.echo('HEY')\n",
        group="pipekit.commands",
    )
    point = next(good.site.glob("shout-*.dist-info")) / "entry_points.txt"
    point.write_text("[pipekit.commands]\nshout = shout_plugin:shout\n")
    assert "shout" in good.pipekit("--help").out
    assert not (good.root / "imported").exists()
    assert good.pipekit("shout").out == "HEY\n"


def test_a_plan_made_of_the_wrong_things_is_a_failure_of_its_plugin(good):
    """Of kind `plugin`, with the place and the reason, and the run has its end."""
    good.plugin(
        "wrong",
        """
        from pipekit import Command, StagePlan, StageSpec, Task, hookimpl
        def plan(ctx, settings):
            task = Task(name="a", command=Command(argv=["true"]))
            return StagePlan(reason="r", tasks=[task], inputs=["data/in/a.txt"])
        @hookimpl
        def pipekit_stages():
            yield StageSpec("wrong", plan)
        """,
    )
    good.config('[pipeline]\nstages = ["wrong"]\n[sinks.consol]\n')
    refused = good.pipekit("run")
    assert refused.code == 3
    assert refused.err.startswith("pipekit: pipekit.toml:3: sinks.consol: [sinks.consol] is conf")
    good.config('[pipeline]\nstages = ["wrong"]\n')
    done = good.pipekit("run")
    assert done.code == 2
    assert "inputs must contain only Input values, not 'data/in/a.txt'" in done.out
    assert good.events()[-1]["event"] == "failure"


def test_config_check_asks_for_plans_and_names_circles_and_files_matched_twice(good):
    """What a run would find only later."""
    twice = """
        [pipeline]
        stages = ["translator"]
        [[stages.translator.settings.sources]]
        glob = "{raw}/*.csv"
        dialect = "A"
        timezone = "UTC"
        [[stages.translator.settings.sources]]
        glob = "{raw}/ES*"
        dialect = "A"
        timezone = "UTC"
    """
    good.config(twice)
    good.write("data/raw/ES.csv", "")
    checked = good.pipekit("config", "check")
    assert (checked.code, "matches several sources" in checked.out) == (3, True), checked
    circle = 'stages.good.after.two = "any"\nstages.two.after.good = "any"\n'
    good.plugin("two", GOOD.replace('"good"', '"two"'))
    good.config(f'{circle}[pipeline]\nstages = ["good", "two"]')
    checked = good.pipekit("config", "check")
    assert (checked.code, "depend on each other in a circle" in checked.out) == (3, True), checked
    good.config('[pipeline]\nstages = ["good"]')
    checked = good.pipekit("config", "check")
    assert checked.code == 0
    assert 'add PIPEKIT_API = "1" to it' in checked.out
    assert 'add PIPEKIT_API = "1" to it' in good.pipekit("plugins", "list").err


def test_a_plugin_is_shown_with_its_settings_and_where_it_is_from(good):
    good.plugin(
        "set",
        """
        import attrs
        from pipekit import EventSink, hookimpl, setting

        PIPEKIT_API = "1"

        @attrs.frozen
        class Settings:
            host: str = setting("Where it goes.")
            port: int = setting("Its port.", default=80)

        @hookimpl
        def pipekit_event_sinks():
            yield EventSink("post", None, settings=Settings)
        """,
        dist="pipekit-post",
        version="2.5",
    )
    shown = good.pipekit("plugins", "show", "post")
    assert shown.code == 0, shown
    for text in (
        *("sink post", "pipekit-post 2.5 (set = set_plugin)", "set_plugin.py", "API 1", " ms"),
        *("settings, in [sinks.post]", "uninstall", "required", "Its port.", "80"),
    ):
        assert text in shown.out, text
    (record,) = good.pipekit("plugins", "show", "pipekit-post", "--json").json
    assert [each["key"] for each in record["settings"]] == ["host", "port"]
    wrong = good.pipekit("plugins", "show", "pst")
    assert (wrong.code, "did you mean 'post'?" in wrong.err) == (64, True)


def test_what_is_broken_is_named_with_its_line_and_both_rivals(good):
    good.plugin("torn", "import os\nimport nothing_like_this", dist="pipekit-torn")
    good.plugin("again", GOOD, dist="other-good")
    good.plugin("later", 'PIPEKIT_API = "2"', dist="pipekit-later")
    told = good.pipekit("plugins", "doctor")
    assert told.code == 2, told
    assert "torn_plugin.py:2, or remove it" in told.out
    assert "good 0.1 (entry point good = good_plugin) and by other-good 0.1" in told.out.replace(
        "other-good 0.1 (entry point again = again_plugin) and by good 0.1",
        "good 0.1 (entry point good = good_plugin) and by other-good 0.1",
    )
    assert "it needs plugin API 2, this pipekit offers 1" in told.out
    assert "to install a plugin: " in told.out
    ours = tuple(f"({each}), imported in" for each in ("console", "local", "rules", "script"))
    assert all(f"ok      plugins: pipekit {__version__} {text}" in told.out for text in ours)
    shown = good.pipekit("plugins", "show", "torn").out
    assert "No module named 'nothing_like_this'" in shown
    assert "torn_plugin.py:2" in shown
    assert good.pipekit("plugins", "show", "good").out.count("is offered by") == 2


def test_the_plugins_of_executors_are_examined_as_well(good):
    code = """
        from pipekit import Executor, hookimpl

        @hookimpl
        def pipekit_executors():
            yield Executor("elsewhere", lambda ctx, settings: None)
    """
    good.plugin("elsewhere", code, dist="pipekit-elsewhere")
    told = good.pipekit("plugins", "doctor")
    assert "pipekit-elsewhere 0.1 (elsewhere), imported in" in told.out


def test_a_plugin_refused_for_its_api_is_named_when_its_stage_is_asked_for(good):
    good.plugin("later", 'PIPEKIT_API = "2"', dist="pipekit-later")
    good.config('[pipeline]\nstages = ["go_od"]')
    refused = good.pipekit("run")
    assert refused.code == 3
    assert "pipekit-later 0.1 (entry point later = later_plugin) cannot be loaded" in refused.err
    assert "it needs plugin API 2, this pipekit offers 1" in refused.err


def test_a_run_imports_no_plugin_that_it_does_not_need(good):
    good.plugin("other", "open('imported', 'w')")
    assert good.pipekit("run").code == 0
    assert not (good.root / "imported").exists()


COMMAND = """
    open("imported", "w").close()
    import click

    @click.command()
    def hello():
        click.echo("hello")
"""


@pytest.fixture
def hello(good):
    """A project, and an installed command that writes a file when it is imported."""
    good.plugin("hello", COMMAND, dist="pipekit-hello", group="pipekit.commands")
    point = next(good.site.glob("pipekit_hello-*")) / "entry_points.txt"
    point.write_text(point.read_text().rstrip() + ":hello\n")
    return good


@pytest.mark.parametrize(
    ("table", "words", "env", "by"),
    [
        ('deny = ["pipekit-hello"]', [], {}, "`deny` in [plugins]"),
        ('deny = ["hello"]', [], {}, "`deny` in [plugins]"),
        ('allow = ["good"]', [], {}, "`allow` in [plugins], which does not name it"),
        ("", ["--no-plugins"], {}, "--no-plugins"),
        ("", [], {"PIPEKIT_DISABLE_PLUGINS": "x, hello"}, "the variable PIPEKIT_DISABLE_PLUGINS"),
    ],
)
def test_a_disabled_command_is_refused_by_name_and_never_imported(hello, table, words, env, by):
    config = (hello.root / "pipekit.toml").read_text()
    hello.config(f"{config}\n[plugins]\n{table}\n")
    called = hello.pipekit(*words, "hello", env=env)
    assert called.code == 64
    point = "pipekit-hello 0.1 (entry point hello = hello_plugin:hello)"
    assert f"the command 'hello' of {point} is disabled by {by}" in called.err
    shown = hello.pipekit(*words, "plugins", "show", "hello", env=env)
    assert (shown.code, f"is disabled by {by}" in shown.err) == (64, True)
    checked = hello.pipekit(*words, "plugins", "doctor", env=env)
    assert f"{point} is disabled" in checked.out
    listed = hello.pipekit(*words, "plugins", "list", env=env)
    assert "command   hello" not in listed.out
    assert "disabled: pipekit-hello" in listed.out
    assert not (hello.root / "imported").exists()
    completed = {"_PIPEKIT_COMPLETE": "bash_complete", "COMP_CWORD": "1", "COMP_WORDS": "pipekit h"}
    offered = hello.pipekit(env={**env, **completed}).out
    assert "history" in offered
    assert words or "hello" not in offered
    assert words or not (hello.root / "imported").exists()


def test_help_leaves_out_what_an_option_or_a_variable_disables(hello):
    assert "hello" in hello.pipekit("--help").out
    assert "hello" not in hello.pipekit("--no-plugins", "--help").out
    assert "hello" not in hello.pipekit("--help", env={"PIPEKIT_DISABLE_PLUGINS": "*"}).out


def test_an_allowed_command_runs_inside_and_outside_of_a_project(hello):
    config = (hello.root / "pipekit.toml").read_text()
    hello.config(f'{config}\n[plugins]\nallow = ["pipekit-hello", "good"]\n')
    assert hello.pipekit("hello").out == "hello\n"
    (hello.root / "pipekit.toml").unlink()
    assert hello.pipekit("hello").out == "hello\n"


def test_a_disabled_page_is_not_written(hello):
    page = "def run(project, state):\n    return ''\nopen('imported', 'w')\n"
    hello.plugin("run", page, dist="pipekit-page", group="pipekit.html")
    assert hello.pipekit("run").code == 0
    config = (hello.root / "pipekit.toml").read_text()
    hello.config(f'{config}\n[plugins]\ndeny = ["pipekit-page", "pipekit-html", "run"]\n')
    shown = hello.pipekit("show", "--html", "page.html")
    assert shown.code != 0
    assert "which is disabled by `deny` in [plugins]" in shown.err
    assert not (hello.root / "imported").exists()
