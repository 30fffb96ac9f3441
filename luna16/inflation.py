"""Inflate a zlib or gzip stream in small blocks, so that one which becomes huge is noticed before it does."""

import zlib
from collections.abc import Iterable, Iterator

READ_BYTES = 1 << 20
ZLIB_OR_GZIP = zlib.MAX_WBITS | 32


def inflate(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what a stream inflates to, in blocks of at most 1 MiB; bytes after its end are left alone.

    Raises ValueError if it is damaged or cut short; the message is the second half of a sentence.
    """
    inflater = zlib.decompressobj(ZLIB_OR_GZIP)
    try:
        for block in blocks:
            yield inflater.decompress(block, READ_BYTES)
            while inflater.unconsumed_tail and not inflater.eof:
                yield inflater.decompress(inflater.unconsumed_tail, READ_BYTES)
            if inflater.eof:
                return
    except zlib.error as error:
        raise ValueError("is damaged and does not inflate.") from error
    raise ValueError("is cut short and does not inflate.")
