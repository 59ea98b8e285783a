"""What each DAG does, as data. Pure."""
