"""The output of a command: read, redacted, spooled, cut into lines."""
