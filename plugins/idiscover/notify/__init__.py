"""Subjects and bodies of e-mails. Pure."""
