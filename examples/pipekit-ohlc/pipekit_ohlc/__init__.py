"""A stage for pipekit: daily bars from minute bars."""
