"""A room (table) as a value: `advance(room, command, …)` says what happens, `replay` folds the log.

Pure: what a room needs from the world (the time, randomness) is an argument, and what it wants done
(send, close, count, keep) is returned as effects.
"""
