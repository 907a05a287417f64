"""Errors of the codec. Parsers of anything that came from outside raise only these."""


class CodecError(ValueError):
    """Base of every error that the codec raises on bad input."""


class TruncatedError(CodecError):
    """The input ended before the syntax did."""


class SyntaxLimitError(CodecError):
    """A field is outside what the syntax or this implementation allows (size, count, version, kind)."""


class PictureTooLongError(SyntaxLimitError):
    """A picture came out longer than a bundle can carry; a coarser quantiser step makes it shorter."""


class ReferenceMissingError(CodecError):
    """A picture refers to a keyframe or picture that this side does not hold."""


class KeyframeError(CodecError):
    """A keyframe's bytes are not an image within the limits, or do not match their hash."""


class ContainerError(CodecError):
    """A ``.fw`` file is not one, or is damaged beyond its last good record."""
