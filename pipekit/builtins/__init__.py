"""The plugins that come with pipekit; they are found and loaded like any other."""
