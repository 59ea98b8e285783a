"""The HTTP face of the org."""
