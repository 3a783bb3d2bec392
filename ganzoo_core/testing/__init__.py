"""The testing room: the `shapes` data set and the conformance checks for plugin authors."""
