"""The Cascade CNN of Li et al. 2015, which MTCNN is measured against: its networks and its detector."""
