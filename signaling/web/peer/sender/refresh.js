// When another keyframe would serve the peer better: the sender renders what the peer sees, and compares it with the camera.
//
// It decodes the stream's own bundles as the peer does and renders a frame now and then, from the keyframe in use and from
// others: those that the peer holds already, which cost only a few bits in the next picture's header, and a candidate
// keyframe, a recent picture of the camera that has not been sent. A candidate is sent only when *later* pictures were
// rendered better from it for some time: every keyframe renders well the moment at which it was taken. If the keyframe in use
// explains next to nothing, a held one is tried first; if that is no better, a candidate is sent at once.

import { NO_CAMERA } from "../codec/bundle.js";
import { nameOf } from "../codec/keyframe.js";
import { networkPoints } from "../models/shape_points.js";
import { TickDecoder } from "../receiver/tick_decoder.js";
import { nearest } from "./gallery.js";
import { distance } from "./keyframe_distance.js";

/** Milliseconds between two checks, at least. Each renders up to three frames: in use, nearest held, candidate. */
export const CHECK_MS = 1000;
/** A keyframe that the peer holds is used when it lowers the smoothed distance to the camera's picture by this share. */
const SWITCH = 0.06;
/** The same for a keyframe that has yet to be sent. */
const SEND = 0.15;
/** Weight of the newest check. */
const SMOOTH = 0.5;
/** Checks by which a candidate must be judged before it is sent. */
const SEND_LOOKS = 4;
/** Doubt of the network from which the keyframe in use explains so little that a candidate is sent without a comparison. */
const DOUBT = 0.5;
/** Checks after which a candidate that was not sent makes room for a newer one. */
const LIFE = 8;
/** Keyframes whose features are kept: 3.5 MB each. */
const IDENTITIES = 6;

/** @typedef {import("../media/image.js").Rgba} Rgba */
/** @typedef {import("../codec/keyframe.js").Keyframe} Keyframe */
/** @typedef {import("../receiver/tick_decoder.js").FrameInput} FrameInput */
/** Use the keyframe in `slot`, which the peer holds; or send `keyframe`, and use it once it has arrived.
 * @typedef {{ slot: number } | { keyframe: Keyframe }} Advice
 */

/** A keyframe that may be better than the one in use; `saving`: smoothed share of distance that it saves. */
class Candidate {
  saving = 0;
  looks = 0;

  /** @param {Keyframe} keyframe */
  constructor(keyframe) {
    this.keyframe = keyframe;
  }

  /** @param {number} current @param {number} own */
  judged(current, own) {
    const share = 1 - own / Math.max(current, 1e-6);
    this.saving = this.looks ? this.saving + SMOOTH * (share - this.saving) : share;
    this.looks += 1;
  }
}

/** Feed it every bundle in order, with the crop it was made of, one call at a time. */
export class Refresh {
  #upsampler;
  #decoder;
  #pixels;
  #make;
  #hasFace;
  #checkMs;
  /** @type {Map<number, Keyframe>} */
  #known = new Map();
  /** Features by digest, the one used longest ago first. @type {Map<string, import("../models/upsampler.js").KeyframeFeatures>} */
  #identities = new Map();
  /** @type {Map<number, Candidate>} */
  #heldCandidates = new Map();
  /** @type {Candidate | null} */
  #candidate = null;
  #current = "";
  #nextLook = 0;
  /** Checks made, switches to a keyframe that the peer held, new keyframes sent. */
  count = { looks: 0, switched: 0, sent: 0 };

  /**
   * `pixels` of a keyframe: planes (3, 256, 256); `make` a keyframe of a crop; `hasFace`: whether a crop shows one; `checkMs`:
   * milliseconds between two checks.
   * @param {{
   *   upsampler: import("../models/upsampler.js").Upsampler, interpolator: import("../models/upsampler.js").Interpolator,
   *   speech: import("../receiver/tick_decoder.js").SpeechDecoder,
   *   pixels(keyframe: Keyframe): Promise<Float32Array>, make(crop: Rgba): Promise<Keyframe>, hasFace(crop: Rgba): Promise<boolean>,
   *   checkMs?: number,
   * }} parts
   */
  constructor({ upsampler, interpolator, speech, pixels, make, hasFace, checkMs = CHECK_MS }) {
    this.#upsampler = upsampler;
    this.#decoder = new TickDecoder(interpolator, speech);
    this.#pixels = pixels;
    this.#make = make;
    this.#hasFace = hasFace;
    this.#checkMs = checkMs;
  }

  /**
   * A tick as sent (`bundle` null: left out in silence), and its last picture as the camera has it, null if it is not to be
   * examined. Returns advice when another keyframe has proved better.
   * @param {number} atMs @param {number} tickMs @param {import("../codec/bundle.js").Bundle | null} bundle
   * @param {Rgba | null} crop @param {import("./gallery.js").Held} held @returns {Promise<Advice | null>}
   */
  async tick(atMs, tickMs, bundle, crop, held) {
    for (const [slot, keyframe] of held.keyframes) {
      if (this.#known.get(slot) === keyframe) continue;
      this.#known.set(slot, keyframe);
      this.#heldCandidates.delete(slot);
      this.#decoder.setKeyframe(slot, keyframe);
    }
    if (bundle) this.#decoder.arrived(bundle);
    const looked = bundle?.picture && crop && atMs >= this.#nextLook;
    const { frames } = await this.#decoder.tick(atMs, tickMs, bundle, [], Boolean(looked));
    if (bundle && NO_CAMERA.includes(bundle.face)) {
      this.#candidate = null; // what was seen before must not be sent afterwards
      this.#heldCandidates.clear();
    }
    const frame = frames[frames.length - 1];
    if (!looked || !frame) return null;
    const using = held.keyframes.get(frame.slot);
    if (frame.slot !== held.current || !using) return null; // the stream has switched since
    this.#nextLook = atMs + this.#checkMs;
    return this.#look(frame, using, crop, held);
  }

  /**
   * Distance to the camera's picture of the frame rendered from this keyframe.
   * @param {Keyframe} keyframe @param {FrameInput} frame @param {Rgba} crop
   */
  async #draw(keyframe, frame, crop) {
    const name = nameOf(keyframe.digest);
    const features = this.#identities.get(name) ?? (await this.#upsampler.identity(await this.#pixels(keyframe)));
    this.#identities.delete(name);
    this.#identities.set(name, features);
    for (const old of this.#identities.keys()) if (this.#identities.size > IDENTITIES) this.#identities.delete(old);
    this.#upsampler.use(features);
    const { shape } = frame.driven;
    const own = shape && keyframe.points ? shape.slice() : null;
    if (own && keyframe.points) own.set(networkPoints(keyframe.points));
    const data = await this.#upsampler.step({ ...frame.driven, shape: own });
    return distance({ width: crop.width, height: crop.height, data }, crop);
  }

  /** @param {FrameInput} frame @param {Keyframe} using @param {Rgba} crop @param {import("./gallery.js").Held} held */
  async #look(frame, using, crop, held) {
    if (this.#current !== nameOf(using.digest)) {
      this.#current = nameOf(using.digest); // savings are relative to the keyframe in use
      this.#heldCandidates.clear();
      this.#candidate = null;
    }
    const current = await this.#draw(using, frame, crop);
    const doubted = this.#upsampler.doubt >= DOUBT;
    this.count.looks += 1;
    const others = [...held.keyframes].filter(([slot]) => held.slots.has(slot) && slot !== held.current);
    const other = nearest(crop, others);
    if (other !== null) {
      if (doubted) this.#heldCandidates.delete(other); // its earlier results no longer count
      const candidate = this.#heldCandidates.get(other) ?? new Candidate(/** @type {Keyframe} */ (held.keyframes.get(other)));
      this.#heldCandidates.set(other, candidate);
      candidate.judged(current, await this.#draw(candidate.keyframe, frame, crop));
      if ((candidate.looks > 1 || doubted) && candidate.saving > SWITCH) {
        this.count.switched += 1;
        return { slot: other };
      }
    }
    return held.maySend ? this.#challenge(frame, crop, current, doubted) : null;
  }

  /** @param {FrameInput} frame @param {Rgba} crop @param {number} current @param {boolean} doubted */
  async #challenge(frame, crop, current, doubted) {
    const candidate = this.#candidate;
    if (!candidate || doubted) {
      // An empty room must not become the keyframe.
      if (doubted && !(await this.#hasFace(crop))) return null;
      this.#candidate = new Candidate(await this.#make(crop));
      return doubted ? this.#send(this.#candidate) : null;
    }
    candidate.judged(current, await this.#draw(candidate.keyframe, frame, crop));
    if (candidate.looks >= SEND_LOOKS && candidate.saving > SEND) return this.#send(candidate);
    if (candidate.looks >= LIFE || (candidate.looks >= 2 && candidate.saving < SEND / 2)) this.#candidate = null;
    return null;
  }

  /** @param {Candidate} candidate */
  #send({ keyframe }) {
    this.#candidate = null;
    this.count.sent += 1;
    return { keyframe };
  }
}
