"""Stand-in for the AWS services the platform uses: a moto server that keeps its state, and an EMR that runs steps."""

MWAA_VARIABLE = "IDISCOVER_STAND_IN_AIRFLOW"  # JSON of the stack's Airflow: name, url, user, password; a secret
