"""Side-by-side measurement of CPU per play."""
