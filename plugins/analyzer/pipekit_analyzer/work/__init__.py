"""The worker's side: reads bars, computes breakouts, publishes results. No plan imports it."""
