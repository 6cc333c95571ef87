// Pictures as pixels: decode, scale in proportion, complete to the model's square, cut back.

/** A picture file's pixels: the longest side is `edge`, the proportion stays. */
export async function readPicture(blob, edge) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { imageOrientation: "from-image" });
  } catch {
    throw new Error("This file is no picture that the browser can read.");
  }
  try {
    return fit(bitmap, bitmap.width, bitmap.height, edge);
  } finally {
    bitmap.close();
  }
}

/** The pixels of anything that a canvas can draw, scaled until its longest side is `edge`. */
export function fit(source, width, height, edge) {
  const scale = edge / Math.max(width, height);
  const goal = { width: atLeastOne(width * scale), height: atLeastOne(height * scale) };
  // Halving first: browsers average too few pixels when they shrink a picture much at once.
  let drawn = source;
  while (width >= 2 * goal.width && height >= 2 * goal.height) {
    [width, height] = [Math.max(goal.width, width >> 1), Math.max(goal.height, height >> 1)];
    drawn = draw(drawn, width, height);
  }
  drawn = draw(drawn, goal.width, goal.height);
  return drawn.getContext("2d").getImageData(0, 0, goal.width, goal.height);
}

/** Pixels as the model's input: RGB in [0, 1], mirrored at right and bottom until it is square. */
export function toSquare(pixels, size) {
  const { width, height, data } = pixels;
  const square = new Float32Array(size * size * 3);
  let position = 0;
  for (let y = 0; y < size; y++) {
    const row = mirrored(y, height) * width;
    for (let x = 0; x < size; x++) {
      const from = 4 * (row + mirrored(x, width));
      for (let band = 0; band < 3; band++) square[position++] = data[from + band] / 255;
    }
  }
  return square;
}

/** The upper left part of the model's square as pixels. */
export function fromSquare(square, size, width, height) {
  const pixels = new ImageData(width, height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const to = 4 * (y * width + x);
      const from = 3 * (y * size + x);
      for (let band = 0; band < 3; band++) pixels.data[to + band] = 255 * square[from + band];
      pixels.data[to + 3] = 255;
    }
  }
  return pixels;
}

/** Puts pixels on a canvas, which takes their size. */
export function show(canvas, pixels) {
  if (canvas.width !== pixels.width) canvas.width = pixels.width;
  if (canvas.height !== pixels.height) canvas.height = pixels.height;
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

function atLeastOne(length) {
  return Math.max(1, Math.round(length));
}

/** Walks 0, 1, ..., n - 1, n - 1, ..., 1, 0, 0, 1, ... */
function mirrored(index, count) {
  const place = index % (2 * count);
  return place < count ? place : 2 * count - 1 - place;
}

function draw(source, width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff"; // what is transparent lies on white
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, width, height);
  return canvas;
}
