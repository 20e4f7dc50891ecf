"""A command that another machine supervises: its spec, its lease, its outcome, and the node."""
