"""The room process: the LiveKit room, or the practice room."""
