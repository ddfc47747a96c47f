# The long tests that need no torch.
make test-long WITH=pyinstaller ARGS="--durations=10"
