"""Sorts the rows of files by instrument and month, and buffers them until all are read."""
