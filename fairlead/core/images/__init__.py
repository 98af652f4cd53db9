"""Decisions about images: what their documents say, which are listed, what a removal takes along."""
