"""Dead letters: what is in a group's dead letter topic, and the ways out of it; replay from the log itself."""
