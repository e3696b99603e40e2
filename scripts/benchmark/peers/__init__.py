"""The servers that hokm is compared with, each with the same toy rules."""
