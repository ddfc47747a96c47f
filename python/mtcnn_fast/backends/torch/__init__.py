"""The cascade on torch tensors: devices ``torch:cpu`` and ``cuda``."""
