"""Games under disturbance: light players, faults by a seeded schedule, and the proof of no loss."""
