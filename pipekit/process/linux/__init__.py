"""A command on Linux: started, observed and stopped by a guardian process."""
