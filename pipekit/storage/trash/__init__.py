"""The trash of a project: files are moved into it and back, or on to an archive."""

TRASH = ".pipekit-trash"
