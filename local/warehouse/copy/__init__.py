"""COPY from S3: its statement, its files, the checks of its values, and what it leaves in the system tables."""
