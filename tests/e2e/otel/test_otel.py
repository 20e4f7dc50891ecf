"""The sinks `otel` and `prometheus`, with a receiver on the loopback."""

from __future__ import annotations

import re
import uuid

import pytest
from pipekit_otel.plugin import pipekit_event_sinks
from pipekit_otel.settings import OtelSettings, PrometheusSettings

from pipekit.testing import SinkContract

from .conftest import KEY

OTEL, PROMETHEUS = pipekit_event_sinks()


class TestOtel(SinkContract):
    """Against a receiver on the loopback."""

    sink = OTEL

    @pytest.fixture(autouse=True)
    def _receiver(self, receiver):
        self.settings = OtelSettings(endpoint=receiver.url)


class TestPrometheus(SinkContract):
    """With its defaults."""

    sink = PROMETHEUS
    settings = PrometheusSettings()


def attributes(found):
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value")) for each in found.attributes
    }


def test_a_run_is_a_trace_of_stages_tasks_and_units(work, receiver):
    work.write("code.txt", "0")
    assert work.pipekit("run").code == 0
    spans = receiver.spans()
    assert set(spans) == {"RUN bars", "work", "work/one", "work/one/ES"}
    run_id = work.report()["run_id"]
    assert {span.trace_id for span in spans.values()} == {uuid.UUID(run_id).bytes}
    parents = {name: span.parent_span_id for name, span in spans.items()}
    assert parents["work/one/ES"] == spans["work/one"].span_id
    assert parents["work"] == spans["RUN bars"].span_id
    assert parents["RUN bars"] == b""
    run = attributes(spans["RUN bars"])
    assert (run["cicd.pipeline.run.id"], run["cicd.pipeline.result"]) == (run_id, "success")
    assert attributes(spans["work/one/ES"])["pipekit.metric.rows"] == 1200
    for span in spans.values():
        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
    assert receiver.keys == {KEY}


def test_a_failure_is_an_error_with_its_kind_and_reason(work, receiver):
    work.write("code.txt", "5")
    assert work.pipekit("run").code == 2
    task = receiver.spans()["work/one"]
    assert task.status.code == 2
    assert "5" in task.status.message
    assert attributes(task)["error.type"] == "exit"
    assert attributes(receiver.spans()["RUN bars"])["cicd.pipeline.result"] == "failure"


def test_metrics_are_durations_and_what_tasks_have_counted(work, receiver):
    work.write("code.txt", "0")
    work.pipekit("run")
    values = receiver.values()
    assert values["cicd.pipeline.run.duration"][0].count == 1
    assert attributes(values["pipekit.stage.duration"][0])["pipekit.stage"] == "work"
    assert values["pipekit.run.exit_code"][0].as_int == 0
    (rows,) = values["pipekit.metric"]
    assert (attributes(rows)["pipekit.name"], rows.as_int or rows.as_double) == ("rows", 1200)


def test_runs_with_nothing_to_do_are_sent_only_if_wanted_and_load_nothing(work, receiver):
    idle = work.pipekit("run", env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert receiver.traces == []
    assert "opentelemetry" not in idle.err
    work.pipekit("run", env={"PIPEKIT_SINKS__OTEL__IDLE": "true"})
    assert set(receiver.spans()) == {"RUN bars", "work"}


def test_a_receiver_that_is_away_changes_no_run_and_is_told(work, receiver):
    work.write("code.txt", "0")
    run = work.pipekit("run", env={"PIPEKIT_SINKS__OTEL__ENDPOINT": "http://127.0.0.1:9"})
    assert run.code == 0
    assert "sink 'otel' failed on one event: SendError: the receiver did not take" in run.err
    assert "Traceback" not in run.err
    receiver.code = 403
    assert "sink 'otel' failed" in work.pipekit("run").err
    assert work.pipekit("status", "--check").code == 1


def test_the_receivers_key_is_a_secret(work, receiver):
    work.write("code.txt", "0")
    receiver.code = 403
    run = work.pipekit("run")
    files = [path for path in work.root.rglob("*") if path.is_file()]
    texts = [run.out, run.err, *(path.read_bytes().decode("utf-8", "replace") for path in files)]
    assert not [text for text in texts if KEY in text]


def prom(work):
    """The samples of the file, and a check of its form."""
    samples, typed = {}, set()
    for line in (work.root / "logs/metrics.prom").read_text().splitlines():
        if line.startswith("# TYPE "):
            typed.add(line.split()[2])
            assert line.endswith(" gauge")
        elif not line.startswith("# HELP "):
            name, labels, value = re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line).groups()
            assert name in typed
            samples[name, labels] = float(value)
    return samples


def test_the_file_for_prometheus_keeps_what_stages_did_last(work, receiver):
    work.write("code.txt", "5")
    work.pipekit("run")
    stage = 'pipeline="project",stage="work"'
    failed = prom(work)
    assert failed["pipekit_run_exit_code", 'pipeline="project"'] == 2
    assert failed["pipekit_stage_status", f'{stage},status="failure"'] == 1
    assert ("pipekit_stage_success_timestamp_seconds", stage) not in failed
    work.write("code.txt", "0")
    work.pipekit("run")
    well = prom(work)
    assert well["pipekit_stage_status", f'{stage},status="failure"'] == 0
    assert well["pipekit_stage_metric", f'{stage},task="one",name="rows"'] == 1200
    (work.root / "code.txt").unlink()
    work.pipekit("run")
    idle = prom(work)
    assert idle["pipekit_run_status", 'pipeline="project",status="idle"'] == 1
    for name in ("pipekit_stage_success_timestamp_seconds", "pipekit_stage_duration_seconds"):
        assert idle[name, stage] == well[name, stage]


def test_labels_are_escaped(work, receiver):
    name = 'a "b" \\ c'
    work.pipekit("run", env={"PIPEKIT_SINKS__PROMETHEUS__NAME": name})
    assert ("pipekit_run_exit_code", r'pipeline="a \"b\" \\ c"') in prom(work)


@pytest.mark.parametrize(
    ("key", "value"),
    [("OTEL__ENDPOINT", "localhost:4318"), ("OTEL__LIMIT", "1m"), ("PROMETHEUS__FILE", "../x.txt")],
)
def test_wrong_settings_are_said_before_a_run(work, key, value):
    check = work.pipekit("config", "check", env={f"PIPEKIT_SINKS__{key}": value})
    assert check.code == 3
    assert key.lower().replace("__", ".") in check.out
