"""Reading images and drawing what was found in them."""
