// Both pages' texts about a face that is missing or badly seen, and the 8×8 pixels that it is rendered from.

/** Enlargement of the face from which on its owner is warned. */
const FAR = 1.2;
/** @type {Record<string, string>} */
const FACES = { none: "no face in sight", many: "several faces in sight", leaving: "about to leave the picture" };
/** @type {Record<string, string>} */
const HIDDEN = { camera_off: "Their camera is off", away: "The other person is away" };

/**
 * The text in place of the other person's picture while there is none; "" if there is one.
 * @param {string} face a name of codec/bundle.js's `Face`, in lower case
 */
export const insteadOfFace = (face) => HIDDEN[face] ?? "";

/** The note about the other person. @param {string} face @param {boolean} muted */
export const remoteNote = (face, muted) => [FACES[face], muted && "microphone off"].filter(Boolean).join(", ");

/**
 * The note about the user's own face.
 * @param {string} face
 * @param {number} enlarged how many times it is enlarged to be shown at 256×256
 */
export function localNote(face, enlarged) {
  const far = face === "tracked" && enlarged >= FAR;
  return FACES[face] ?? (far ? "too far away: come closer" : "");
}

/** Show 8×8 pixels in the element `raw`. @param {ArrayLike<number>} rgb 192 values */
export function showPixels(rgb) {
  const image = new ImageData(8, 8);
  for (let i = 0; i < 64; i += 1) image.data.set([rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2], 255], 4 * i);
  const canvas = /** @type {HTMLCanvasElement} */ (document.getElementById("raw"));
  canvas.getContext("2d")?.putImageData(image, 0, 0);
}
