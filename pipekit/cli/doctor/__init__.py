"""`pipekit doctor`: whether runs can do their work here, and what to do where they cannot."""
