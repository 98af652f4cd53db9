"""How answers are shown: durations, sizes, tables, Go templates."""
