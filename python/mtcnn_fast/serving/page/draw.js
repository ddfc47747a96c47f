// Pictures and faces on a canvas.

const BOX = "#00e696";
const MARK = "#ffd640";
const SHADE = "#081812";
// As the service covers faces: half axes of the ellipse in units of the box's half sides.
const REACH = 1.2;

/** Scale faces as their picture is scaled. */
export function scaled(faces, factor) {
  return faces.map((face) => ({
    ...face,
    box: face.box.map((value) => value * factor),
    landmarks: face.landmarks.map((point) => point.map((value) => value * factor)),
  }));
}

/** Draw a picture with its faces. `view` is "boxes", "blur" or "plain". */
export function drawPicture(canvas, picture, faces, { view, landmarks, scores }) {
  canvas.width = picture.width;
  canvas.height = picture.height;
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  if (view === "blur") faces.forEach((face) => cover(context, face.box));
  if (view === "boxes") drawFaces(context, faces, { landmarks, scores });
}

/** Draw boxes, landmarks and scores over what a canvas shows; the best face last, on top. */
export function drawFaces(context, faces, { landmarks, scores }) {
  const { width, height } = context.canvas;
  const size = Math.sqrt(width * height);
  for (const face of [...faces].reverse()) {
    const [x1, y1, x2, y2] = face.box;
    const extent = Math.sqrt((x2 - x1) * (y2 - y1));
    const line = Math.max(1, Math.min(size * 0.004, extent * 0.06));
    context.lineWidth = line + 2;
    context.strokeStyle = SHADE;
    context.strokeRect(x1, y1, x2 - x1, y2 - y1);
    context.lineWidth = line;
    context.strokeStyle = BOX;
    context.strokeRect(x1, y1, x2 - x1, y2 - y1);
    if (landmarks) face.landmarks.forEach((point) => dot(context, point, Math.max(1, extent * 0.025)));
    if (scores && extent >= 24) label(context, face, line, Math.max(10, Math.min(size * 0.03, extent * 0.25)));
  }
}

function dot(context, [x, y], radius) {
  context.beginPath();
  // Whole numbers are centres of pixels; on a canvas they are corners.
  context.arc(x + 0.5, y + 0.5, radius, 0, 2 * Math.PI);
  context.fillStyle = MARK;
  context.strokeStyle = SHADE;
  context.lineWidth = radius * 0.5;
  context.stroke();
  context.fill();
}

function label(context, face, line, height) {
  const text = face.score.toFixed(3);
  context.font = `600 ${height}px system-ui, sans-serif`;
  const pad = height * 0.25;
  const width = context.measureText(text).width + 2 * pad;
  const x = Math.max(0, Math.min(face.box[0] - line / 2, context.canvas.width - width));
  const above = face.box[1] - height - 2 * pad;
  const y = Math.max(0, above);
  context.fillStyle = BOX;
  context.fillRect(x, y, width, height + 2 * pad);
  context.fillStyle = SHADE;
  context.textBaseline = "middle";
  context.fillText(text, x + pad, y + pad + height / 2);
}

/** Blur an ellipse around a face: reduced to a few pixels first, so that no detail is left to restore. */
function cover(context, [x1, y1, x2, y2]) {
  const [cx, cy] = [(x1 + x2) / 2, (y1 + y2) / 2];
  const [rx, ry] = [((x2 - x1) / 2) * REACH, ((y2 - y1) / 2) * REACH];
  const cells = 8;
  const small = new OffscreenCanvas(cells, cells);
  const reduced = small.getContext("2d");
  reduced.imageSmoothingQuality = "high";
  reduced.drawImage(context.canvas, cx - rx, cy - ry, 2 * rx, 2 * ry, 0, 0, cells, cells);
  context.save();
  context.beginPath();
  context.ellipse(cx, cy, rx, ry, 0, 0, 2 * Math.PI);
  context.clip();
  // Beyond the border of the picture there is nothing to reduce: gray, rather than what is to be hidden.
  context.fillStyle = "#808080";
  context.fillRect(cx - rx, cy - ry, 2 * rx, 2 * ry);
  context.imageSmoothingQuality = "high";
  context.drawImage(small, cx - rx, cy - ry, 2 * rx, 2 * ry);
  context.restore();
}
