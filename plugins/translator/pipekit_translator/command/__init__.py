"""The command `pipekit sources`."""
