# The evaluation on whole data sets, where the shared data is at hand: the published MTCNN detections on FDDB by the
# command, and how long 3,226 images of WIDER FACE take to score. The tests hold the figures; this shows them.
data=${MTCNN_FAST_DATA:-../shared/data}
if [[ ! -d $data ]]; then
    echo "skipped: no shared data at $data"
    exit 0
fi
make .venv/.test
.venv/bin/mtcnn-fast evaluate fddb --annotations "$data/fddb/FDDB-folds" --detections "$data/fddb/published/MTCNN" \
    --sizes-from "$data/fddb/published/pyface/Dets.txt" --published "$data/fddb/published" --out build/ci/fddb | sed -n '1,17p'
.venv/bin/python benchmarks/evaluation_speed.py "$data/wider/eval_tools/ground_truth"
