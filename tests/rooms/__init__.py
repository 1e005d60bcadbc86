"""Both rooms as a test sees them: a terminal in the room, and who else is there.

A *stage* has one room and lives in one event loop: terminals join it, and on the other side peers
that do what the test tells them, or a whole agent. What differs between LiveKit and the practice
room stays in here; a test of the contract is written once.
"""
