"""The supervisor: the control plane of one instance."""
