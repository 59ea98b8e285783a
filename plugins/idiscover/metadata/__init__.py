"""What an object, a delta filter, a table and an environment are: models, loading, validation."""
