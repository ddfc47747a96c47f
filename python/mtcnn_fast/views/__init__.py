"""What of an image is searched for faces: a part of it, smaller, turned, or in tiles; and faces mapped back."""
