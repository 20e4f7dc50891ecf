"""Commands on macOS and other POSIX systems but Linux, without a guardian. Never run on macOS."""
