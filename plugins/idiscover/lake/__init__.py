"""Keys, manifests and status documents of the bucket. Pure."""
