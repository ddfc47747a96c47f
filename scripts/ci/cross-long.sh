# The C++ for every foreign target, and its tests where something runs them.
source scripts/ci/cross_venv.sh
cross --all
