"""The command line: one file per family of verbs, each imported only when its verb is called."""
