"""The ears: the Docker Engine API. Translates JSON to values, calls one engine method, translates back."""
