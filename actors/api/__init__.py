"""The Agent API for programs: a session attached to a terminal, or with one of its own."""
