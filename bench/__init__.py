"""Benchmarks: each claim measured beside its own floor, in one run, in turns."""
