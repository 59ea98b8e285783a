"""UNLOAD: the rows of a query into files in S3."""
