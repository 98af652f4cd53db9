"""The nouns of Fairlead: frozen values that every other room may know, and that know no room."""
