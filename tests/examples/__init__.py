"""Worked examples for those who write actors of their own; each is run by a test."""
