"""How much a mixture costs on top of its models: every figure of the project's table, measured in one run."""
