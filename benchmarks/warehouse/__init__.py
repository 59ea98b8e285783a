"""How much dearer than plain statements the procedures are, and how much cheaper a delta is than a rebuild."""
