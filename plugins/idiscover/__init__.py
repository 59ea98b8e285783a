"""iDiscover: Salesforce to S3 to Redshift, generated from metadata, run by Airflow."""
