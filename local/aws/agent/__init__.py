"""The step agent: the part of the EMR stand-in that really runs each step with spark-submit."""
