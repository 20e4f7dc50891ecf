"""`pipekit demo`: a sample project, generated and run."""
