"""The history process: the store of messages."""
