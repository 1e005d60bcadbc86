"""The kiosk process: the page and its WebSocket."""
