"""``python -m mtcnn_fast`` is the command ``mtcnn-fast``."""

from mtcnn_fast.cli import main

main()
