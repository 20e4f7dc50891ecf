"""Pings a dead-man's switch when a run begins and ends."""
