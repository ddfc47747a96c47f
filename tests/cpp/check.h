// Checks for these tests, which need no framework.
#pragma once

#include <cstdio>
#include <cstdlib>

// Ends the program with a message unless the condition holds; independent of NDEBUG.
#define CHECK(condition)                                                                       \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            std::fprintf(stderr, "%s:%d: CHECK(%s) failed\n", __FILE__, __LINE__, #condition); \
            std::abort();                                                                      \
        }                                                                                      \
    } while (false)

// Runs a function and says so.
#define RUN(test)                       \
    do {                                \
        test();                         \
        std::printf("%s: ok\n", #test); \
    } while (false)
