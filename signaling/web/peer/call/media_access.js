// The constraints for camera and microphone (getUserMedia), the texts for refusals, and whether the browser holds sound back.
// Both pages use it.

/** @typedef {"video" | "audio"} Kind */

/** @type {Record<Kind, MediaTrackConstraints>} */
export const MEDIA_CONSTRAINTS = {
  video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 25, max: 30 } },
  audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
};
/** By the error's name. @type {Record<string, string>} */
export const TROUBLE = {
  NotAllowedError: "allow it in the settings of browser and system",
  NotFoundError: "there is none",
  NotReadableError: "another program uses it",
  OverconstrainedError: "it is gone",
};
/** @type {Record<Kind, string>} */
export const NAMES = { video: "camera", audio: "microphone" };

/**
 * Call `then` once the user allows the refused device in the browser's settings. Does nothing if the browser doesn't report it.
 * @param {Kind} kind @param {() => void} then
 */
export async function onceAllowed(kind, then) {
  const name = /** @type {PermissionName} */ (NAMES[kind]);
  const status = await navigator.permissions?.query({ name }).catch(() => null);
  if (!status) return;
  status.onchange = () => {
    if (status.state !== "granted") return;
    status.onchange = null;
    then();
  };
}

/** Whether the browser holds a context's sound back: at first, or after a phone call. @param {AudioContext} context */
export const asleep = (context) => !["running", "closed"].includes(context.state);

/** The line that the page shows; "" without an error. @param {Kind} kind @param {string | undefined} why */
export const refusal = (kind, why) => (why ? `No ${NAMES[kind]}: ${why}.` : "");
