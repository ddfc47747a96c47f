# The documentation: the site, where a broken link is an error; every block of Python and of shell commands, run beside the
# built wheel and torch; the Dockerfile.
source scripts/ci/torch_venv.sh
part() { printf '\n--- %s (at %d s)\n' "$1" "$SECONDS"; }
tools=build/ci/docs-venv
if [[ ! $tools/.installed -nt pyproject.toml ]]; then
    "${PYTHON:-python3}" -m venv --clear "$tools"
    "$tools/bin/pip" install --quiet --upgrade 'pip>=25.1'
    "$tools/bin/pip" install --quiet --group docs
    touch "$tools/.installed"
fi
# What the pages use beside torch.
"$venv/bin/pip" install --quiet "$wheel[batch,recognition,video]" "$(sed -n 's/^  "\(sybil==[^"]*\)",$/\1/p' pyproject.toml)"

part "the site"
"$tools/bin/zensical" build --strict --clean
for page in build/site/index.html build/site/api/index.html build/site/search.json; do
    [[ -s $page ]] || { echo "the site has no $page"; exit 1; }
done
# What mkdocstrings could not find in the sources would be an empty heading.
grep -q 'id="mtcnn_fast.Detector.detect"' build/site/api/index.html
"$tools/bin/python" scripts/ci/site_requests.py build/site

part "the Dockerfile"
"$tools/bin/hadolint" Dockerfile

part "the blocks"
"$venv/bin/python" -m pytest tests/documents -n "$JOBS" -p no:cacheprovider --durations=5
