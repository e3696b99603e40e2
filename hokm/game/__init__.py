"""The game of Hokm, pure: cards, variants, hands, matches, what each seat sees, fair dealing."""
