"""What :mod:`bench.sound` compares, and what it measures with."""
