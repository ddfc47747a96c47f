# For other scripts to source: $venv is an environment with the built wheel and what batches need, made when it is not there
# or older: Ray, a server of S3, Spark. Their packages are large and pin others, so that no other stage has them.
venv=build/ci/batch-venv
wheel=$(echo dist/*.whl)
if [[ ! $venv/.installed -nt $wheel ]]; then
    "${PYTHON:-python3}" -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet "$wheel[test,ray,jpeg]" pandas s3fs
    # Both name the one botocore that they work with: pip looks long for a pair, unless one is there first.
    botocore=$("$venv/bin/pip" show botocore | sed -n 's/^Version: //p')
    "$venv/bin/pip" install --quiet 'moto[server]' "botocore==$botocore"
    "$venv/bin/pip" install --quiet pyspark
    touch "$venv/.installed"
fi
