"""`idiscover status`: how far every object and every table is, and what waits, holds or failed."""
