"""What a model is: modules, their parameters by name, their state, how weights begin."""
