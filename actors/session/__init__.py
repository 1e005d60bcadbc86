"""The session process: the Agent API's state machine, its timers and tokens."""
