"""The web console: what ran, what waits, what failed, and the levers; server-rendered, offline. Extra `console`."""
