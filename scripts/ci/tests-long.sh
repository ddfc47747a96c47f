# The long tests that need no torch.
make test-long ARGS="--durations=10"
