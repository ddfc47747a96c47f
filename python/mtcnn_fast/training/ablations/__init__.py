"""Comparisons of ways to train and of networks, as the papers make them (docs/ablations.md)."""
