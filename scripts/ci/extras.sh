# What optional packages bring, in an environment of its own, so that the stage of the other tests shows what works without
# them: the service (overload, hostile uploads, requests drawn from its OpenAPI document, the page in Chromium), videos,
# recognition and tables; and the types, with those packages' own at hand. Batches have a stage of their own.
venv=build/ci/extras-venv
wheel=$(echo dist/*.whl)
if [[ ! $venv/.installed -nt $wheel ]]; then
    "${PYTHON:-python3}" -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet "$wheel[test,serve,video,recognition]" \
        mypy onnx pandas playwright polars pyarrow schemathesis
    touch "$venv/.installed"
fi
source scripts/ci/packages.sh
packages chromium chromium
"$venv/bin/python" -m pytest tests/serving tests/video tests/recognition tests/faces/test_exchange.py \
    tests/cli/test_detect_parquet.py -m "not long" -n "$JOBS" --durations=20 \
    --cov=mtcnn_fast --cov-config=tests/extras.coveragerc --cov-report=term-missing:skip-covered --cov-fail-under=90
"$venv/bin/mypy" --strict python
