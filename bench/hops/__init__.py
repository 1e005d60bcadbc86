"""One message from process to process, in each system: `python -m bench.hops.SYSTEM HOPS FOLDER`.

HOPS 1: straight; 2: through a third process that passes it on. Each prints a line of JSON, see
:meth:`bench.hops.plan.Listener.told`.
"""
