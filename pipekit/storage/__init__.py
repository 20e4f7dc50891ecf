"""What lasts between runs: files, the lock, the ledger, the journal and the audit report."""
