"""This app's agents. The file makes it a package of its own: no other `processors` on the machine is taken for it."""
