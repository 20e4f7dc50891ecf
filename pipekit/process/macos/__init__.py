"""A command on macOS and other POSIX systems without a guardian."""
