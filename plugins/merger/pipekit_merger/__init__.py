"""The stage `merger` of pipekit: analysis runs in, monthly results and a summary out."""

WORKER = "pipekit_merger.worker"  # the module of its worker process
