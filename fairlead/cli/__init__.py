"""The mouth: docker's verbs and Fairlead's own on the command line; a client of the API like any other."""
