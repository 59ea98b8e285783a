"""Names of Redshift's system tables and views that stand in the schema rs here."""

SYSTEM_TABLES = frozenset(
    {"stl_load_errors", "stl_replacements", "stl_load_commits", "sys_load_error_detail", "sys_load_history",
     "pg_table_def"}
)  # fmt: skip
