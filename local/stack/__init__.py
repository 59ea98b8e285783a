"""The platform on one machine: its parts as processes, found again after a kill, side by side with other stacks."""
