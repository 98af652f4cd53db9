"""The commands, by what they are about. A module is imported only when one of its commands is used."""
