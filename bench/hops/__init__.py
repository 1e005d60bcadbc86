"""One message from process to process: `python -m bench.hops.SYSTEM HOPS FOLDER PART`.

HOPS 1: straight; 2: through a third process that passes it on. FOLDER: for its sockets, and where
systems that take turns meet. PART: see :data:`bench.hops.plan.BURST`. Each prints a line of JSON,
see :meth:`bench.hops.plan.Listener.told`.
"""
