# The C++ for one foreign target, which one the commit decides, and its tests where something runs them. The compiler comes
# from PyPI; wine and qemu are Debian's, and their tests are skipped with the reason where they cannot be had.
source scripts/ci/cross_venv.sh
cross
