"""A long backlog behind one worker: what it costs while it lasts, and what is left of it."""
