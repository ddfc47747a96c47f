"""Detection without a module of torch around it, cutting out faces, and the training of a classifier."""
