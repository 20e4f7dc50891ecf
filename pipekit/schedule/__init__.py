"""Has the operating system's scheduler start `pipekit run`: one description, four schedulers."""
