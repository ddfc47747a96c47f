make types
