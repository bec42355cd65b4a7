"""Bytes into lines of text, strictly: what is not text of the agreed encoding is refused."""

import codecs
from collections.abc import Iterable, Iterator

from chalicelib.flows.file_ports import Fault, UnusableFileError

LINE_CHARACTERS_MAX = 64 * 1024
UTF_8 = "utf-8"
GB18030 = "gb18030"
ENCODINGS = frozenset((UTF_8, GB18030))


def text_lines(chunks: Iterable[bytes], encoding: str = UTF_8) -> Iterator[str]:
    """Decode a stream strictly, line by line; every line ends in a line feed, the last one too.

    UTF-8 is read with or without its mark.  Text that is also UTF-8 is refused under any other
    encoding: read so, it would be mojibake without an error.

    :raises UnusableFileError: at the first byte that is not text of the encoding.
    """
    number, rest = 1, ""
    for decoded in decoded_chunks(chunks, encoding):
        *whole, rest = (rest + decoded).split("\n")
        for line in whole:
            # Wherever the chunks end: the same file is refused, however it is streamed.
            if len(line) >= LINE_CHARACTERS_MAX:
                raise UnusableFileError(Fault(line=number, reason="the line is too long"))
            yield line + "\n"
            number += 1
        if len(rest) >= LINE_CHARACTERS_MAX:
            raise UnusableFileError(Fault(line=number, reason="the line is too long"))
    if rest:
        raise UnusableFileError(Fault(line=number, reason="the line has no end: the file is cut"))


def decoded_chunks(chunks: Iterable[bytes], encoding: str = UTF_8) -> Iterator[str]:
    """Decode a stream strictly, wherever its chunks end.

    :raises UnusableFileError: at the first byte that is not text of the encoding.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == UTF_8 else encoding)()
    twin = None if encoding == UTF_8 else _Twin()
    number = 1
    for chunk in _and_end(chunks):
        if twin:
            twin.see(chunk, encoding)
        try:
            decoded = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            bad = number + error.object[: error.start].count(b"\n")
            fault = Fault(line=bad, reason=f"not {encoding}")
            raise UnusableFileError(fault) from error
        number += decoded.count("\n")
        yield decoded


def _and_end(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Pass on what there is, and an empty chunk for the end."""
    for chunk in chunks:
        if chunk:
            yield chunk
    yield b""


class _Twin:
    """Reads the same bytes as UTF-8, to tell whether they are."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder(UTF_8)()
        self._may_be_utf_8 = True
        self._is_ascii = True

    def see(self, chunk: bytes, encoding: str) -> None:
        self._is_ascii = self._is_ascii and chunk.isascii()
        try:
            self._decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError:
            self._may_be_utf_8 = False
        if not chunk and self._may_be_utf_8 and not self._is_ascii:
            raise UnusableFileError(Fault(reason=f"UTF-8, not {encoding}"))
