"""Commands on Linux, each started, observed and stopped by a guardian process."""
