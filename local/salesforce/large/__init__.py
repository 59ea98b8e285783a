"""Objects of millions of records: their rows are made once, kept compressed on disk, and sent as they lie there."""
