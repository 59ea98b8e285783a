"""`python -m benchmarks.extract`: millions of records out of one org, by us, by our peers, and at the limit."""
