"""`idiscover doctor`: checks a machine and an environment, and says how to mend what fails."""
