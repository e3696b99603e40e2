"""A worker process: hosts rooms, and speaks with their players, the store and the supervisor."""
