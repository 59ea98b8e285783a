"""SOQL, session, describe, counting and the Bulk API 2.0 download."""
