"""Carries the tasks of pipekit as jobs of a batch system, by its own commands."""
