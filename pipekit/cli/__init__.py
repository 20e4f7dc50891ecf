"""The command line: one small module per command, and `main`, which lists them."""
