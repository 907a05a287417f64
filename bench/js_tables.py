"""The browser's copies of the codec's trained tables: ``python -m bench.js_tables`` writes them from Python's."""

import textwrap
from pathlib import Path

import codec.pictures.probabilities
import codec.shape.probabilities
from codec.safety_words import WORDS
from codec.shape.basis_table import TABLE

PEER = Path(__file__).parents[1] / "signaling" / "web" / "peer" / "codec"


def _rows(values: tuple[int, ...], indent: str) -> str:
    text = ", ".join(map(str, values)) + ","
    return textwrap.fill(text, 126, initial_indent=indent, subsequent_indent=indent)


def _probabilities(folder: str, values: tuple[int, ...]) -> str:
    head = f"// Trained probabilities of a 0 by context, in units of 2^-15. Made from codec/{folder}/probabilities.py by\n"
    return f"{head}// `python -m bench.js_tables`.\n\nexport const ZERO = [\n{_rows(values, '  ')}\n];\n"


def _words() -> str:
    head = "// The words of safety_code.js. Made from codec/safety_words.py by `python -m bench.js_tables`.\n\n"
    rows = textwrap.wrap(" ".join(WORDS), 120)
    return head + "export const WORDS = `\n" + "\n".join(rows) + "\n`.trim().split(/\\s+/);\n"


def tables() -> dict[Path, str]:
    """The text of each file."""
    head = "// The table of basis.js. Made from codec/shape/basis_table.py by `python -m bench.js_tables`.\n\n"
    basis = "\n".join(f"  [\n{_rows(row, '    ')}\n  ]," for row in TABLE)
    return {
        PEER / "pictures" / "probabilities.js": _probabilities("pictures", codec.pictures.probabilities.ZERO),
        PEER / "shape" / "probabilities.js": _probabilities("shape", codec.shape.probabilities.ZERO),
        PEER / "safety_words.js": _words(),
        PEER / "shape" / "basis_table.js": f"{head}export const TABLE = [\n{basis}\n];\n",
    }


if __name__ == "__main__":
    for path, text in tables().items():
        path.write_text(text)
