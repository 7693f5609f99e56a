"""About a second of a scalar quantizer's codes as bytes, and back.

A block begins without a past: the range coder, the contexts and the envelope start again, so that damage ends there.
"""

from dataclasses import dataclass

import numpy as np

from codec.front import bands, contexts, magnitudes
from codec.front.powers import Ints, fixed
from codec.front.range_coder import Reader, Writer
from codec.front.side import SideReader, SideWriter
from codec.front.tables import Tables


@dataclass(frozen=True)
class Block:
    """What is coded of one channel."""

    bases: Ints  # [groups], of the step, in sixteenths
    levels: Ints  # [groups, BANDS]
    codes: Ints  # [groups x group, hop], signed magnitudes

    def exponents(self, tables: Tables) -> tuple[Ints, Ints]:
        """(log2 of the step, log2 of the envelope) at each bin in sixteenths, [frames, hop] each."""
        amplitude = bands.amplitudes(self.levels, tables.settings.hop)
        step = bands.exponents(amplitude, self.bases[:, None], tables.settings.share)
        return np.repeat(step, tables.settings.group, 0), np.repeat(amplitude, tables.settings.group, 0)


def write(block: Block, tables: Tables) -> bytes:
    """The bytes of a block."""
    writer, group = Writer(), tables.settings.group
    side = SideWriter(writer, block.bases, block.levels, tables.envelope)
    classes = classes_of(block, tables)
    for index, of_set in enumerate(tables.sets_of(block.bases)):
        side.write(index)
        for frame in range(index * group, (index + 1) * group):
            for turn in (0, 1):
                probabilities = tables.contexts[of_set].probabilities[turn]
                magnitudes.write(writer, block.codes[frame, turn::2], classes[turn][frame], probabilities)
    return writer.bytes()


def read(data: bytes, groups: int, tables: Tables) -> Block:
    """The block of `groups` groups that bytes hold; `Damaged` where no writer has written them."""
    reader, settings = Reader(data), tables.settings
    side = SideReader(reader, tables.envelope)
    bases, levels = np.zeros(groups, np.int64), np.zeros((groups, bands.BANDS), np.int64)
    codes = np.zeros((groups * settings.group, settings.hop), np.int64)
    past: list[tuple[Ints, Ints]] = []  # (magnitudes, exponents) of the last frames, the newest first
    for index in range(groups):
        bases[index], levels[index] = side.read()
        amplitude = bands.amplitudes(levels[index], settings.hop)
        exponents = bands.exponents(amplitude, bases[index], settings.share)
        likely = fixed(amplitude - exponents)
        tables_now = tables.contexts[tables.sets_of(bases[index : index + 1])[0]]
        for frame in range(index * settings.group, (index + 1) * settings.group):
            context = _context(past, exponents, likely)
            of = contexts.classes_of(context, None, tables_now.weights[0])
            codes[frame, 0::2] = magnitudes.read(reader, of, tables_now.probabilities[0])
            now = contexts.padded(np.abs(codes[frame]))
            of = contexts.classes_of(context, now, tables_now.weights[1])
            codes[frame, 1::2] = magnitudes.read(reader, of, tables_now.probabilities[1])
            past = [(np.abs(codes[frame]), exponents), *past[:1]]
    return Block(bases, levels, codes)


def classes_of(block: Block, tables: Tables) -> tuple[Ints, Ints]:
    """The classes of both passes of all frames, [frames, hop / 2] each, as a reader finds them."""
    values = np.abs(block.codes)
    frame = frames_of(values, *block.exponents(tables))
    now = contexts.padded(values)
    sets = np.repeat(tables.sets_of(block.bases), tables.settings.group)
    found = (np.zeros_like(values[:, 0::2]), np.zeros_like(values[:, 0::2]))
    for index in np.unique(sets).tolist():
        weights = tables.contexts[index].weights
        chosen = sets == index
        part = contexts.Frame(frame.last[chosen], frame.earlier[chosen], frame.amplitude[chosen])
        found[0][chosen] = contexts.classes_of(part, None, weights[0])
        found[1][chosen] = contexts.classes_of(part, now[chosen], weights[1])
    return found


def frames_of(values: Ints, exponents: Ints, amplitude: Ints) -> contexts.Frame:
    """What each of many frames knows of those before it; magnitudes and the rest are [frames, hop]."""
    likely = fixed(amplitude - exponents)
    last = _stand_in(likely)
    earlier = last.copy()
    last[1:] = contexts.in_steps(values[:-1], exponents[:-1], exponents[1:])
    earlier[2:] = contexts.in_steps(values[:-2], exponents[:-2], exponents[2:])
    return contexts.Frame(contexts.padded(last), contexts.padded(earlier), likely)


def _context(past: list[tuple[Ints, Ints]], exponents: Ints, likely: Ints) -> contexts.Frame:
    known = [contexts.in_steps(values, of, exponents) for values, of in past]
    known += [_stand_in(likely)] * (2 - len(known))
    return contexts.Frame(contexts.padded(known[0]), contexts.padded(known[1]), likely)


def _stand_in(likely: Ints) -> Ints:
    """Magnitudes where there is no past: what the envelope makes likely."""
    return likely * 3 >> 2
