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


def reason(error: BaseException) -> str:
    """An exception in words, on one line, for people: its text, else its kind. Of a group all that it holds."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(dict.fromkeys(map(reason, error.exceptions)))
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        # Files are written beside their place first; people know only that.
        text = f"{str(error.filename).removesuffix('.part')}: {error.strerror[:1].lower()}{error.strerror[1:]}"
    elif isinstance(error, OSError) and error.errno is not None:
        text = text.removeprefix(f"[Errno {error.errno}] ")
    return text or ("it took too long" if isinstance(error, TimeoutError) else type(error).__name__)


def system_reason(error: BaseException) -> str:
    """:func:`reason` of an error of the system or of FFmpeg, without the number and the file's name
    that its text begins with."""
    return getattr(error, "strerror", None) or reason(error)
