"""The command line: one small module a command, and `main`, which has them all."""
