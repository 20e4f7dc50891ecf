"""Carries the tasks of pipekit to the workers of a Dask cluster."""
