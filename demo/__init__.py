"""The demonstration: the support desk under load, a crash and a broken ticket, counted to the last record."""
