"""CPU, latency and memory of hokm beside other servers that do the same unit of work."""
