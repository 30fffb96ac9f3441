"""A compressed stream comes in small blocks, and damage is told from a stream that is cut short."""

import gzip
import zlib

import pytest

from luna16.inflation import READ_BYTES, inflate

DATA = bytes(range(256)) * 20_000


@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress])
def test_zlib_and_gzip_inflate_in_blocks(compress) -> None:
    blocks = list(inflate([compress(DATA), b"after its end"]))
    assert b"".join(blocks) == DATA
    assert max(map(len, blocks)) <= READ_BYTES


def test_stream_without_its_end_is_cut_short() -> None:
    with pytest.raises(ValueError, match=r"^is cut short and does not inflate\.$"):
        list(inflate([zlib.compress(DATA)[:-5]]))


def test_stream_of_other_bytes_is_damaged() -> None:
    with pytest.raises(ValueError, match=r"^is damaged and does not inflate\.$"):
        list(inflate([b"no stream"]))
