"""How a person runs it: settings, commands, the terminal and the logs around a conversation."""
