"""Scenario files: what is to happen to a local cloud, and when. `script` reads them, `play` carries them out."""
