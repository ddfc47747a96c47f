"""The soft-label recipe: training on the windows that the cascade itself proposes, with labels by overlap."""
