"""DDL, COPY, CALL and procedures as text. Pure."""
