"""The audio process: PortAudio in and out, and the tape."""
