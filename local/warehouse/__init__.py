"""A front before PostgreSQL that speaks Amazon Redshift's SQL. A package of its own: it runs under any name.

Its semantics follow AWS's documentation; nothing was compared with a real Redshift. See README.md in this directory.
"""

UPSTREAM_VARIABLE = "REDSHIFT_FRONT_UPSTREAM"
