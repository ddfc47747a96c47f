"""The cascade in plain numpy: the executable specification."""
