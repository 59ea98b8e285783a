"""A front before PostgreSQL that speaks Amazon Redshift's SQL. It imports nothing of the platform.

Its semantics follow AWS's documentation; nothing was compared with a real Redshift. See README.md in this directory.
"""

UPSTREAM_VARIABLE = "IDISCOVER_WAREHOUSE_UPSTREAM"
