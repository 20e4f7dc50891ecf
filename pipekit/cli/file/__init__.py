"""`pipekit file`: what became of a file, what came of it, and whether it may go."""
