"""The command `pipekit results`: merged results as a table, as data, and as a page with charts."""
