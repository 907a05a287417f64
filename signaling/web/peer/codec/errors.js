// Errors of the codec. Parsers of untrusted input throw only these.

/** Base of every error that the codec throws on bad input. */
export class CodecError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = new.target.name;
  }
}

/** The input ended before the syntax did. */
export class TruncatedError extends CodecError {}

/** A field is outside what the syntax or this implementation allows (size, count, version, kind). */
export class SyntaxLimitError extends CodecError {}

/** A coded picture is longer than a bundle can carry; a coarser quantiser step makes it shorter. */
export class PictureTooLongError extends SyntaxLimitError {}

/** A picture refers to a keyframe or picture that this side does not hold. */
export class ReferenceMissingError extends CodecError {}

/** A keyframe's bytes are not an image within the limits, or do not match their hash. */
export class KeyframeError extends CodecError {}

/** A `.fw` file is not one, or is damaged beyond its last good record. */
export class ContainerError extends CodecError {}
