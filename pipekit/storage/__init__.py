"""What persists between runs: ledger, lock, journals and reports. Also finds input files."""
