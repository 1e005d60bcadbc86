"""The parrot: the agent of the practice room."""
