"""The stage `merger` of pipekit: analysis runs in, monthly results and a summary out."""
