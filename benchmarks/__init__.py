"""The speed suite: us, a raw client loop and the peers, interleaved in one run on one broker."""
