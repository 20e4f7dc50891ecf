"""The output of a command: read, redacted, spooled, split into lines, delivered to a callback."""
