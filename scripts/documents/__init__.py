"""Makes the documents that follow from the code: the protocol's and the settings'."""
