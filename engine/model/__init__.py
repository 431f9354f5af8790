"""Plain values: what the other rooms talk about. Imports nothing of ours."""
