"""The command line: one module per command, and `main`, which lists them."""
