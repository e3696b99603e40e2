"""The store: where rooms live. Redis protocol only, embedded or shared."""
