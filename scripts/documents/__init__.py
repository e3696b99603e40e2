"""Makes the documents that follow from the code: the protocol's, the settings', the metrics'."""
