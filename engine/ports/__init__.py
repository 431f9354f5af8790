"""What the engine needs from outside, one Protocol per need."""
