"""Names inside a sandbox: the wire format, what each sandbox may know, what it is answered, where the rest goes."""
