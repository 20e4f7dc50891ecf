"""What lasts between runs: the ledger, the lock, the journals, the reports; and finding files."""
