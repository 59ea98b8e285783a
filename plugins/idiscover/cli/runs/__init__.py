"""Runs that a person starts and follows from a shell: the verbs `run`, `backfill`, `resync` and `follow`."""
