"""The command `pipekit results`: merged rows as a table, as data, and as a page with charts."""
