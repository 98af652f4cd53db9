"""The decisions: deterministic, without I/O, clock, randomness or logging. Values in, values out."""
