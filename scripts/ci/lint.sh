# Style and spelling of everything that git tracks.
make lint
