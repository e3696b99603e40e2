"""Players in numbers, and workers under stress: how the server scales, for all to see."""
