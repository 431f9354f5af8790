"""Places where runs are kept. Each passes the same behaviour suite."""
