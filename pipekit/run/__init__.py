"""One run of a project, from its configuration to its report."""
