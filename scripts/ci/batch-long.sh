# The driver killed, a node that stands still, Ray Data, Ray Serve, Spark; and commands killed at random moments.
source scripts/ci/batch_venv.sh
"$venv/bin/python" -m pytest tests/distributed tests/serving/test_service_on_ray.py -m long --durations=10
"$venv/bin/python" scripts/kill_test.py --kills 50 detect batch evaluate
