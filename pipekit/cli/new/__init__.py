"""`pipekit new`: start a plugin of your own."""
