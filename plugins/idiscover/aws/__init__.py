"""The only place that talks to AWS services, Redshift and the job metadata."""
