"""The texts of pipekit.toml for a new project and for the demo; knows no values but these.

In both, a line that begins with `# ` explains, and one that begins with `#` and no space can be
switched on by taking the `#` away.
"""

from __future__ import annotations

_HEAD = """\
# {title}
# Paths are relative to the folder of this file, durations are written 90s, 15m, 24h, 30d.
# `pipekit config show` prints every setting there is, its value and where that comes from;
# `pipekit config check` finds mistakes; `pipekit plan` says what a run would do.

[pipeline]
# The stages of a run; each waits for those it needs and runs only when there is work for it.
stages = ["translator", "analyzer", "merger"]
# Cores that a run may use; 0: as many as the machine lends.
workers = 0
# Zone of the times that pipekit shows and records; the system's by default.
#timezone = "America/Chicago"
"""

_STAGES = """
# ---- translator: raw exports to Parquet, one file for each instrument and month --------------
[stages.translator]
# A task that takes longer is ended, with every process it started. Choose less than the time
# between two runs where a late result is worth nothing.
timeout = "1h"
# A task that neither writes, nor reports progress, nor uses a core for so long hangs: it is ended.
hang_timeout = "10m"

[stages.translator.settings]
raw = "data/raw"
processed = "data/processed"
# Instruments to accept; ["*"]: whatever the files name. Files of others are rejected and named.
#instruments = ["ES", "NQ", "CL", "GC"]
"""

_SOURCES = """
# Kinds of raw files. pipekit never guesses how a file is written or in which zone its times are;
# a file that no source matches is named and left alone. Dialects: A and B have a header and the
# columns Date,Time,Open,High,Low,Close,Volume,Instrument; C is NinjaTrader's own export; D has one
# file for each UTC day.
[[stages.translator.settings.sources]]
glob = "data/raw/**/*DataExport_*_UTC.csv"
dialect = "A"
timezone = "UTC"

[[stages.translator.settings.sources]]
glob = "data/raw/**/1m/*/*/*_1m_*.csv"
dialect = "D"

# NinjaTrader's own export, such as `ES 03-20.Last.txt`. It stamps a bar with its close, which is
# shifted back by a minute. Say which zone it was exported in.
#[[stages.translator.settings.sources]]
#glob = "data/raw/ninjatrader/*.Last.txt"
#dialect = "C"
#timezone = "America/Chicago"
#bar_time = "close"

# Long files put together by hand, such as `CL.csv`: the instrument is the name of the file.
#[[stages.translator.settings.sources]]
#glob = "data/raw/concatenated/*.csv"
#dialect = "B"
#timezone = "America/Chicago"
"""

_DEMO_SOURCES = """
# The four kinds of raw files of the demo. pipekit never guesses how a file is written or in which
# zone its times are; a file that no source matches is named and left alone.

# NQ: exports with a header, in UTC. The second one repeats a day of the first. The export of XX
# lies here too: nobody knows that instrument, so it is rejected and the run ends as `partial`.
[[stages.translator.settings.sources]]
glob = "data/raw/exporter/*DataExport_*_UTC.csv"
dialect = "A"
timezone = "UTC"

# CL: one long file, put together by hand, in exchange time. One of its rows cannot be right (its
# high is below its low); that row alone goes to data/quarantine.
[[stages.translator.settings.sources]]
glob = "data/raw/concatenated/*.csv"
dialect = "B"
timezone = "America/Chicago"

# GC: NinjaTrader's own export, one file for each contract, stamped with the close of the bar.
[[stages.translator.settings.sources]]
glob = "data/raw/ninjatrader/*.Last.txt"
dialect = "C"
timezone = "UTC"
bar_time = "close"

# ES: a file for each UTC day. Its time stamps say that they are UTC; the current day's file may
# still be growing.
[[stages.translator.settings.sources]]
glob = "data/raw/daily/*/1m/*/*/*_1m_*.csv"
dialect = "D"
growing = true
"""

_REST = """
# ---- analyzer: breakouts of the morning range, for each instrument, day and slot -------------
[stages.analyzer]
timeout = "1h"
hang_timeout = "10m"

[stages.analyzer.settings]
processed = "data/processed"
runs = "data/analyzer_runs"
# The first stop: "range" (as far away as the range is wide) or "boundary" (its other side).
#stop_rule = "range"
# Rules to compare, computed side by side: multiples of each instrument's base target.
#[[stages.analyzer.settings.variants]]
#name = "x{target}"
#targets = [0.5, 1, 1.5]

# ---- merger: the results of all runs, one file for each stream and month, and a summary ------
[stages.merger]
timeout = "1h"
hang_timeout = "10m"

[stages.merger.settings]
runs = "data/analyzer_runs"
merged = "data/analyzer_runs/merged"

# ---- what may become of files -----------------------------------------------------------------
# Rules only propose: what may go is listed in the run's report, and no file is touched.
# `pipekit lifecycle plan` shows it at any time, with the reason if a file has to stay.

# A raw file may go once the translator has consumed this very content and published what came of
# it, and the file has not changed for `min_age`.
[[lifecycle.rules]]
files = "data/raw/**"
consumed_by = ["translator"]
min_age = "24h"

# Processed bars are the store: leave this off unless the results are all you want to keep. Here
# the age is that of the data: how far they lie behind the newest bar of their instrument.
#[[lifecycle.rules]]
#files = "data/processed/**"
#consumed_by = ["analyzer", "merger"]
#min_age = "30d"
#age = "data"

# ---- who is told of events --------------------------------------------------------------------
# Every run writes its events to logs/events in any case. This sink shows them as it goes.
[sinks.console]
"""

PROJECT_TOML = _HEAD.format(title="A pipekit project.") + _STAGES + _SOURCES + _REST
DEMO_TOML = (
    _HEAD.format(title="The demo of pipekit: made-up data, real work.")
    + _STAGES
    + _DEMO_SOURCES
    + _REST
)
