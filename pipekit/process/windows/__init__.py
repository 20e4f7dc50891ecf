"""A command on Windows, in a Job Object."""
