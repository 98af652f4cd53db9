"""Answering "why does A not reach B": who the ends are, what is believed of them, and what the kernel shows."""
