"""What is kept between runs (ledger, lock, journals, reports), and finding files."""
