"""The operators' side: health, readiness, metrics and status over HTTP."""
