"""Sources and sinks for the world outside, one folder each; every one can be left out."""
