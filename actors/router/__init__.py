"""The router process: who gets what."""
