"""From rows of a file to sorted rows by instrument and month, buffered until all are read."""
