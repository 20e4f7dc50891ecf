"""`pipekit dashboard`: pages in the browser that follow runs while they go on."""
