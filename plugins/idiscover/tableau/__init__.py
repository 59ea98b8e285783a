"""What analysts open: Tableau data sources as text, and what is said of them. Pure."""
