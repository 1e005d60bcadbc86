"""The program of the real agent worker. It runs in an environment of its own: see install.py."""
