"""Makes the documents that follow from the code: the protocol's, the settings' and the metrics'."""
