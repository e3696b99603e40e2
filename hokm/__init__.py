"""hokm: a server for Hokm, the Persian four-player trick-taking card game."""
