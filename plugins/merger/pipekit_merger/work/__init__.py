"""The merger's worker process: nothing here is imported by a plan."""
