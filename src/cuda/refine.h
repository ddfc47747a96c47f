// What happens to candidates between two networks: filter by score, gather what NMS kept, regress, square, landmarks,
// and at the end one padded table an image.
#pragma once

#include "common/boxes.h"
#include "cuda/select.h"

namespace mtcnn_fast::cuda {

inline constexpr int kLandmarks = 5;

// Lists whose capacity the caller chooses: P-Net's proposals, R-Net's and O-Net's candidates, the faces of an image.
inline constexpr int kLists = 4;

// A list of candidates in device memory. A null member is not written.
struct Candidates {
    Box* boxes;
    float* scores;
    Box* offsets;      // a network's box regression
    float* landmarks;  // (n, 5, 2), x then y
    int32_t* images;
};

struct FilterArguments {
    Candidates in;         // boxes, images, offsets as given; scores are a network's probabilities
    const float* points;   // (n, 10) O-Net's landmarks: five x, then five y; null: none
    const uint8_t* valid;  // (n) crop_pad_resize's output
    const int32_t* count;  // candidates in use, in device memory; null: all
    int64_t length;
    float threshold;  // kept above it
    Candidates out;
    SelectOutput output;
};

size_t filter_workspace_size(int64_t length);

// Keeps the valid candidates above the threshold, in order. With `points`, landmarks come with them.
void filter_candidates(const FilterArguments& arguments, void* workspace, size_t workspace_size, cudaStream_t stream);

struct GatherArguments {
    Candidates in;
    const int64_t* kept;   // indices into `in`; null: all, in place or not
    const int32_t* count;  // how many, in device memory
    int64_t capacity;
    int32_t* out_count;  // min(count, capacity); null: not written
    int32_t* wanted;     // count, whatever the capacity; null: not written
    bool regress;
    bool inclusive;  // widths and heights count the pixels of both edges: + 1, after R-Net and O-Net
    BoxCoding coding;
    bool square;
    Candidates out;
};

// out[k] = in[kept[k]], the boxes optionally regressed and squared. Without `kept`, `out` may be `in`.
void gather_candidates(const GatherArguments& arguments, cudaStream_t stream);

struct PackArguments {
    Candidates in;  // boxes, scores, landmarks, images: each image's candidates are adjacent
    const int32_t* count;
    int64_t capacity;
    int image_count;
    int64_t faces;               // capacity of each image's row
    Box* boxes;                  // (image_count, faces)
    float* scores;               // (image_count, faces)
    float* landmarks;            // (image_count, faces, 5, 2)
    int32_t* counts;             // (image_count)
    int32_t* wanted;             // (kLists) lengths that the lists would have had to have; the last is written here
    int32_t limits[kLists - 1];  // the lengths that the other lists had
    int32_t* overflow;           // lists that were too short: 0 if nothing is missing
};

// Sorts each image's faces (score descending, then x1, y1, x2, y2) into its row of padded tables. The rest of a row is
// 0.
void pack_faces(const PackArguments& arguments, cudaStream_t stream);

}  // namespace mtcnn_fast::cuda
