"""`pipekit schedule`: install, show and remove the job that starts runs."""
