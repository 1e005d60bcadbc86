"""Sounds that come with the commands.

``demo.wav``: what the demo says when there is no microphone. Three sentences, spoken by
espeak-ng (``-v en-gb -s 150``), joined by sox with room for an answer after each; 16 kHz, mono.
"""

from pathlib import Path

DEMO = Path(__file__).with_name("demo.wav")
"""Where it lies once installed."""
