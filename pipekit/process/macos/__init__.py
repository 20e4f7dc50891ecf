"""Commands on POSIX systems other than Linux, without a guardian. Never run on macOS."""
