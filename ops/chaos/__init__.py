"""Real processes are killed under load, and what their clients saw is checked against the log."""
