"""The gate: connections pass through here that cannot be handed to a worker as they are.

It ends TLS, and passes connections on to other instances. A gate looks at nothing but the frames'
ends of what instances send, so that a player whose instance breaks can be told to come again.
"""
