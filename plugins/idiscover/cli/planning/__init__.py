"""`idiscover plan`: everything that would run for an object or a table, and what of it runs already."""
