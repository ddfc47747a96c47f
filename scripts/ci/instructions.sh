# Instructions of fixed pieces of work, counted by callgrind and compared with benchmarks/results/instructions.json.
if ! command -v valgrind > /dev/null; then
    echo "installing valgrind"
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends valgrind > /dev/null
fi
.venv/bin/python scripts/instructions.py
