"""A Salesforce org on this machine: one HTTPS server over a generated, deterministic event log."""
