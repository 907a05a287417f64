// Constraints for camera and microphone, and words for the browser's refusals (getUserMedia errors). The page of `facewire call`
// uses it, too.

/** @typedef {"video" | "audio"} Kind */

/** @type {Record<Kind, MediaTrackConstraints>} */
export const MEDIA_CONSTRAINTS = {
  video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 25, max: 30 } },
  audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
};
/** By the error's name. @type {Record<string, string>} */
export const TROUBLE = {
  NotAllowedError: "the browser does not allow it",
  NotFoundError: "there is none",
  NotReadableError: "another program uses it",
  OverconstrainedError: "it is gone",
};
/** @type {Record<Kind, string>} */
export const NAMES = { video: "camera", audio: "microphone" };
