"""The real peers that callpoint is tested against: server, agent, sound system, coded speech.

Each is a class to be used with `with`: it is ready when the block begins and gone when it ends.
`python3 -m tests.peers.install` brings what they need.
"""
