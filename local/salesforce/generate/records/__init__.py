"""The business values of new and changed records, theme by theme; owners and system fields are not theirs to set."""
