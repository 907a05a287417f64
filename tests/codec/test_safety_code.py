"""The safety code: equal at both peers, different with a man in the middle, who cannot choose it."""

import hashlib
from pathlib import Path

import pytest

from codec.errors import SyntaxLimitError
from codec.safety_code import NONCE, SafetyCode, fingerprint
from codec.safety_words import WORDS

A, B, M, N = (hashlib.sha256(name).digest() for name in (b"a", b"b", b"m", b"n"))
"""Fingerprints: A and B of the two peers, M and N of a man in the middle."""


def exchange(one: SafetyCode, other: SafetyCode) -> tuple[tuple[str, ...], tuple[str, ...]]:
    first, second = one.commitment, other.commitment
    mine, theirs = one.committed(second), other.committed(first)
    return one.revealed(theirs), other.revealed(mine)


def test_there_are_256_distinct_words() -> None:
    assert len(set(WORDS)) == len(WORDS) == 256
    assert all(word.isalpha() and word.islower() and 3 <= len(word) <= 8 for word in WORDS)


def test_both_peers_see_the_same_four_words_and_new_ones_each_time() -> None:
    seen = set()
    for _ in range(20):
        one, other = exchange(SafetyCode(A, B), SafetyCode(B, A))
        assert one == other
        assert len(one) == 4
        seen.add(one)
    assert len(seen) == 20


def test_swapped_certificates_make_the_words_differ() -> None:
    left, _ = exchange(SafetyCode(A, M), SafetyCode(M, A))
    right, _ = exchange(SafetyCode(B, N), SafetyCode(N, B))
    assert left != right
    # They differ even if the random numbers are forwarded unchanged.
    one, other = SafetyCode(A, M, b"1" * NONCE), SafetyCode(B, M, b"2" * NONCE)
    assert exchange(one, other)[0] != exchange(SafetyCode(A, M, b"1" * NONCE), SafetyCode(B, M, b"2" * NONCE))[1]


def test_a_number_must_match_its_commitment() -> None:
    code = SafetyCode(A, B)
    with pytest.raises(SyntaxLimitError, match="not committed"):
        code.revealed(bytes(NONCE))
    code.committed(hashlib.sha256(bytes(NONCE)).digest())
    with pytest.raises(SyntaxLimitError, match="not committed"):
        code.revealed(b"x" * NONCE)
    with pytest.raises(SyntaxLimitError, match="second"):
        code.committed(bytes(32))
    assert code.words == ()
    assert len(code.revealed(bytes(NONCE))) == 4


def test_a_description_must_have_exactly_one_sha_256_fingerprint() -> None:
    told = ":".join(f"{byte:02X}" for byte in A)
    line = f"a=fingerprint:sha-256 {told}\r\n"
    assert fingerprint(f"v=0\r\n{line}a=setup:actpass\r\n{line.lower().replace('sha-256', 'sha-256')}") == A
    assert fingerprint(f"a=fingerprint:sha-512 {told}\r\n") is None
    assert fingerprint(line + line.replace(told, ":".join(f"{byte:02X}" for byte in B))) is None


def test_the_specification_lists_the_words() -> None:
    text = (Path(__file__).parents[2] / "docs" / "format.md").read_text()
    block = text.split("**Safety code.**")[1].split("```")[1]
    assert tuple(block.split()) == WORDS
