"""A page that shows the marts to people without Tableau: figures, plots, HTML. Pure."""
