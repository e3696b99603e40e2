"""Bots: `choose(level, view, random)` decides from what a seat sees, and from nothing else."""

from hokm.bots.choice import Action, Call, Level, Play, RandomSource, Refuse, choose

__all__ = ["Action", "Call", "Level", "Play", "RandomSource", "Refuse", "choose"]
