"""The analyzer: a pipekit stage for breakout analysis, instrument by instrument."""

WORKER = "pipekit_analyzer.worker"  # the module of its worker process
