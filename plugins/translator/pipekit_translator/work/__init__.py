"""The worker's side. Rows go one way: read, parse, zones, assemble, publish."""
