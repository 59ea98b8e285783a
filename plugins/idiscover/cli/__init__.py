"""The idiscover command line."""
