"""The command line: one short file a verb, imported when it is called."""
