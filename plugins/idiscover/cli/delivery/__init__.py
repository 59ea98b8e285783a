"""The stages of a release, as Jenkins runs them and a person can: lint, test, build, environment, smoke."""
