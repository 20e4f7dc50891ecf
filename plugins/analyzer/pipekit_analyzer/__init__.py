"""The analyzer: a pipekit stage for breakout analysis, instrument by instrument."""
