# Faults that clang-tidy finds in the C++.
make tidy
