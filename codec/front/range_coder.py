"""Arrays of symbols to bytes and back: the range coder of the package constriction.

Writer and reader must ask for the same arrays with the same probabilities in the same order. A reader of forged bytes
gets symbols of the alphabet or `Damaged`, never more than it asked for.
"""

import constriction
import numpy as np
import numpy.typing as npt

from codec.front.powers import Float32Array, Ints

_stream = constriction.stream
_ROWS = _stream.model.Categorical(perfect=False)  # a row of probabilities for each symbol
_BIT = _stream.model.Uniform(2)
_SIZES = _stream.model.Uniform()  # an alphabet's size for each symbol
_WORD = 4  # bytes
GAMMA_DIGITS = 18  # of an Elias gamma code, at most

Symbols = npt.NDArray[np.int32]


class Damaged(Exception):
    """Bytes that no writer has written."""


class Model:
    """Probabilities of one alphabet, for symbols that are coded one by one."""

    def __init__(self, probabilities: Float32Array) -> None:
        self.one = _stream.model.Categorical(probabilities, perfect=False)


class Writer:
    """Symbols to bytes."""

    def __init__(self) -> None:
        self._coder = _stream.queue.RangeEncoder()

    def rows(self, symbols: Ints, probabilities: Float32Array) -> None:
        """Symbols [n], each by its own row of probabilities [n, alphabet]."""
        if len(symbols):
            self._coder.encode(symbols.astype(np.int32), _ROWS, probabilities)

    def one(self, symbol: int, model: Model) -> None:
        """One symbol."""
        self._coder.encode(int(symbol), model.one)

    def many(self, symbols: Ints, model: Model) -> None:
        """Symbols [n] of one alphabet."""
        if len(symbols):
            self._coder.encode(symbols.astype(np.int32), model.one)

    def number(self, value: int, size: int) -> None:
        """One of 0..size - 1, all equally likely."""
        self._coder.encode(np.array([value], np.int32), _SIZES, np.array([size], np.int32))

    def numbers(self, values: Ints, sizes: Ints) -> None:
        """Values [n] of 0..size - 1 each."""
        if len(values):
            self._coder.encode(values.astype(np.int32), _SIZES, sizes.astype(np.int32))

    def bits(self, values: npt.NDArray[np.bool_]) -> None:
        """Bits [n], both equally likely."""
        if len(values):
            self._coder.encode(values.astype(np.int32), _BIT)

    def gammas(self, values: Ints) -> None:
        """Elias gamma codes of values of 1 and more."""
        for value in values.tolist():
            digits = [int(digit) for digit in f"{value:b}"]
            self.bits(np.array([1] * (len(digits) - 1) + [0] + digits[1:], bool))

    def bytes(self) -> bytes:
        """What was written. Zeros at its end are left out: a reader finds zeros behind the end."""
        words: npt.NDArray[np.uint32] = self._coder.get_compressed()
        return words.astype(">u4").tobytes().rstrip(b"\0")


class Reader:
    """Bytes to symbols."""

    def __init__(self, data: bytes) -> None:
        padded = data + bytes(-len(data) % _WORD)
        self._coder = _stream.queue.RangeDecoder(np.frombuffer(padded, ">u4").astype(np.uint32))

    def rows(self, probabilities: Float32Array) -> Symbols:
        """Symbols [n] by rows of probabilities [n, alphabet]."""
        return self._decode(_ROWS, probabilities)

    def one(self, model: Model) -> int:
        """One symbol."""
        return int(self._decode(model.one))

    def many(self, count: int, model: Model) -> Symbols:
        """Symbols [count] of one alphabet."""
        return self._decode(model.one, count) if count else np.zeros(0, np.int32)

    def number(self, size: int) -> int:
        """One of 0..size - 1."""
        return int(self._decode(_SIZES, np.array([size], np.int32))[0])

    def numbers(self, sizes: Ints) -> Symbols:
        """Values [n] of 0..size - 1 each."""
        return self._decode(_SIZES, sizes.astype(np.int32)) if len(sizes) else np.zeros(0, np.int32)

    def bits(self, count: int) -> Symbols:
        """Bits [count]."""
        return self._decode(_BIT, count) if count else np.zeros(0, np.int32)

    def gamma(self) -> int:
        """One Elias gamma code; `Damaged` for one that is longer than any writer's."""
        digits = 0
        while self.bits(1)[0]:
            digits += 1
            if digits > GAMMA_DIGITS:
                raise Damaged("a number without end")
        value = 1
        for bit in self.bits(digits).tolist():
            value = 2 * value + bit
        return value

    def _decode(self, *arguments: object) -> Symbols:
        try:
            return self._coder.decode(*arguments)  # type: ignore[no-any-return]
        except (AssertionError, ValueError) as error:  # bytes that its probabilities rule out
            raise Damaged(str(error)) from error
