# The service, in an environment of its own, so that the stage of the other tests shows what works without it: requests,
# overload, hostile uploads, requests drawn from its OpenAPI document, and the page in Chromium where there is one; and the
# types, with fastapi's own at hand.
venv=build/ci/serving-venv
wheel=$(echo dist/*.whl)
if [[ ! $venv/.installed -nt $wheel ]]; then
    "${PYTHON:-python3}" -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet "$wheel[test,serve]" mypy playwright schemathesis
    touch "$venv/.installed"
fi
"$venv/bin/python" -m pytest tests/serving -m "not long" -n "$JOBS" --durations=10 \
    --cov=mtcnn_fast --cov-config=tests/serving.coveragerc --cov-report=term-missing:skip-covered --cov-fail-under=90
"$venv/bin/mypy" --strict python
