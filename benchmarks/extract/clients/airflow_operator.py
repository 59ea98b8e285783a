"""Airflow's SalesforceToS3Operator, executed as a task would execute it. Runs in an environment of its own."""

import sys

from airflow.providers.amazon.aws.transfers.salesforce_to_s3 import SalesforceToS3Operator


def main() -> None:
    soql, bucket, key = sys.argv[1:]
    SalesforceToS3Operator(
        task_id="extract",
        salesforce_query=soql,
        s3_bucket_name=bucket,
        s3_key=key,
        salesforce_conn_id="salesforce_default",
        aws_conn_id="aws_default",
    ).execute({})


if __name__ == "__main__":
    main()
