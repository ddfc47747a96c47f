// The candidates of one image on their way from network to network: filters, suppression and geometry
// (docs/semantics.md, sections 2 to 4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpp/engine/cascade_settings.h"
#include "cpp/engine/detections.h"
#include "cpp/engine/kernel_table.h"
#include "cpp/engine/worker.h"
#include "cpp/image_view.h"

namespace mtcnn_fast::engine {

class ImageCandidates {
  public:
    // The settings must outlive it. With `trace`, each step is recorded in the result.
    ImageCandidates(const ImageView& view, const CascadeSettings& settings, bool trace)
        : view_(view), settings_(settings), trace_(trace) {}

    const ImageView& view() const { return view_; }
    std::size_t size() const { return boxes_.size(); }

    // The pixels that the next network sees of a candidate.
    CropWindow window(std::size_t i) const {
        return crop_window(boxes_[i], view_.height, view_.width, settings_.border);
    }

    // Adds what suppression within a scale leaves of P-Net's cells, which may come in any order.
    void add_cells(std::vector<Cell>& cells, float scale, Worker& worker);

    // Suppression over all scales; regressed and square boxes for R-Net.
    void merge(Detections& result, Worker& worker);

    // Moves boxes and scores of the candidates to the result, which is the end of them.
    void hand_out(Detections& result);

    // Makes candidates of the given boxes, enlarged to squares; those that no network can crop are left out.
    void take_squares_of(const std::vector<Box>& boxes);

    // Keeps what R-Net takes for faces, of the same candidates in the same order, kCropOutputs floats each. `dropped`,
    // here and below, says of each whether a filter has dropped it; null where there was none.
    void refine(const float* outputs, const std::uint8_t* dropped, Detections& result, Worker& worker);

    // Writes what O-Net takes for faces to the result.
    void finish(const float* outputs, const std::uint8_t* dropped, Detections& result, Worker& worker);

  private:
    using Indices = std::vector<std::int32_t>;

    void keep(const Indices& order);
    Indices accept(const float* outputs, const std::uint8_t* dropped, float threshold);
    Indices& survivors(float threshold, Overlap mode, Worker& worker);
    void regress_and_square(float extra);
    std::vector<Landmarks> place_landmarks(const float* outputs, const Indices& accepted) const;
    void order_and_limit(Indices& kept);
    void drop(std::size_t i, Reason reason, const Box* by = nullptr);
    void drop_overlapping(const Indices& kept, float threshold, Overlap mode);
    void record(Detections& result, Step step);

    ImageView view_;
    const CascadeSettings& settings_;
    const bool trace_;
    std::vector<Box> boxes_;
    std::vector<float> scores_;
    std::vector<Box> offsets_;
    Dropped dropped_;  // since the last recorded step
};

}  // namespace mtcnn_fast::engine
