"""Docker's JSON as classes, a module for each object: bodies to values (`spec`), values to what the API shows."""
