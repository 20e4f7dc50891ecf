"""From buffered rows to processed files, the quality report and the quarantine."""
