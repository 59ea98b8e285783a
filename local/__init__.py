"""Stand-ins for the services the platform talks to. Nothing that is deployed imports this package."""
