// Expressions of the form a * b + c, compiled once for each group of flags that a source file of ours is compiled with.
#pragma once

// Kept free of the standard library: its inline functions would be shared between instruction sets.
struct Contraction {
    float (*single)(float a, float b, float c);
    double (*twice)(double a, double b, double c);
    // out[i] = a[i] * b[i] + c[i]; the compiler makes vectors of it.
    void (*array)(const float* a, const float* b, const float* c, float* out, int n);
};
