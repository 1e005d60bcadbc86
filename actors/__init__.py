"""All that runs inside a child process, and the public API."""
