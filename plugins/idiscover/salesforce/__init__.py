"""Salesforce: SOQL, sessions, Bulk API 2.0 downloads, the rewriting of their CSV.

Used on EMR and by the command line; imports neither boto3 nor Spark nor Airflow.
"""
