"""Errors of the codec. Parsers of untrusted input raise only these."""


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
    """A file is not a ``.fw`` file, or is damaged after its last good record."""


def reason(error: BaseException) -> str:
    """An exception as one line for users: its text, else its type; for a group, the lines of all its exceptions."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(dict.fromkeys(map(reason, error.exceptions)))
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        # Files are first written under a .part name; users know only the final one.
        text = f"{str(error.filename).removesuffix('.part')}: {error.strerror[:1].lower()}{error.strerror[1:]}"
    elif isinstance(error, OSError) and error.errno is not None:
        text = text.removeprefix(f"[Errno {error.errno}] ")
    return text or ("it took too long" if isinstance(error, TimeoutError) else type(error).__name__)


def system_reason(error: BaseException) -> str:
    """The :func:`reason` of a system or FFmpeg error, without the number and file name at the start of its text."""
    return getattr(error, "strerror", None) or reason(error)
