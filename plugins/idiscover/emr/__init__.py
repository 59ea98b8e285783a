"""Cluster and step definitions. Pure."""
