"""`pipekit plugins`: what is installed, what each of it is, and what is wrong with it."""
