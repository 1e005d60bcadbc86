"""Fault injection: a terminal that hears coded speech is hurt, and told what it cost."""
