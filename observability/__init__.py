"""What a running engine tells the outside: spans, logs, and the ways to look at them."""
