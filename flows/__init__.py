"""Flows to run, read and start from."""
