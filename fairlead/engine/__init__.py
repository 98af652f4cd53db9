"""The memory: the only room with state. One method per verb of the user; core decides, effects do."""
