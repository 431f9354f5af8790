"""The claims about the PostgreSQL store, each measured on a private server that flushes every commit to the disk."""
