"""The cascade on arrays of a device: one orchestration for the devices ``cuda`` and ``torch:cpu``."""
