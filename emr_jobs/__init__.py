"""What runs on EMR. Imports the airflow-free part of idiscover, shipped beside it as `--py-files`."""
