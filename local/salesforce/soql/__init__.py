"""SOQL: tokens → syntax tree → a query bound to the schema, with Salesforce's own errors."""
