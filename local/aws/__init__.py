"""Stand-in for the AWS services the platform uses: a moto server that keeps its state, and an EMR that runs steps."""
