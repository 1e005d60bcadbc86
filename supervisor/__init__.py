"""The parent side: starts, watches and restarts the actors, and knows no actor's business."""
