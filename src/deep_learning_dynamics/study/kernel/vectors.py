"""Vectors of float32 numbers for compiled code: every element is computed as one number would be.

LLVM maps a vector to whatever registers a processor has. Because lanes are explicit, speed does
not hang on the compiler's own vectorisation, and no sum is ever added in another order.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

FLOAT, INDEX, BYTE = ir.FloatType(), ir.IntType(32), ir.IntType(8)
ALIGNMENT = 4  # bytes: vectors start at any number of an array
LINE = 16  # numbers in a line of cache; a vector that lies in two takes up to twice the time


def aligned_zeros(count: int) -> np.ndarray:
    """So many float32 that begin where a line of cache does; it can be compiled."""
    numbers = np.zeros(count + LINE, np.float32)
    begin = -(numbers.ctypes.data // numbers.itemsize) % LINE
    return numbers[begin : begin + count]


class VectorType(types.Type):
    """Numba's type of a vector with so many lanes."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(name=f"Vector({width})")


@register_model(VectorType)
class VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: VectorType) -> None:
        super().__init__(manager, vector, ir.VectorType(FLOAT, vector.width))


def vectors(width: int) -> SimpleNamespace:
    """The operations on vectors of ``width`` lanes; arrays are addressed by flat positions.

    ``load(array, position)``, ``store(array, position, vector)``, ``spread(number)`` and
    ``spread_at(array, position)`` to all lanes, ``multiply_add(x, y, z)``: x · y, rounded, + z,
    rounded; ``total(vector)``: the sum of halves, of quarters, and so on.
    """
    vector, llvm_vector = VectorType(width), ir.VectorType(FLOAT, width)

    @intrinsic
    def load(typing: Any, array: Any, position: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            place = _address(context, builder, signature, values, llvm_vector)
            return builder.load(place, align=ALIGNMENT)

        return vector(array, types.intp), generate

    @intrinsic
    def store(typing: Any, array: Any, position: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            place = _address(context, builder, signature, values, llvm_vector)
            builder.store(values[2], place, align=ALIGNMENT)
            return context.get_dummy_value()

        return types.void(array, types.intp, vector), generate

    @intrinsic
    def spread(typing: Any, number: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return _spread(builder, values[0], llvm_vector)

        return vector(types.float32), generate

    @intrinsic
    def spread_at(typing: Any, array: Any, position: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            number = builder.load(_address(context, builder, signature, values, FLOAT))
            return _spread(builder, number, llvm_vector)

        return vector(array, types.intp), generate

    @intrinsic
    def multiply_add(typing: Any, x: Any, y: Any, z: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            # Fused into one operation it gains little, and old processors have none.
            return builder.fadd(builder.fmul(values[0], values[1]), values[2])

        return vector(vector, vector, vector), generate

    @intrinsic
    def total(typing: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            (part,), lanes = values, width
            while lanes > 1:
                undefined = ir.Constant(part.type, ir.Undefined)
                lanes //= 2
                low = builder.shuffle_vector(part, undefined, _lanes(range(lanes)))
                high = builder.shuffle_vector(part, undefined, _lanes(range(lanes, 2 * lanes)))
                part = builder.fadd(low, high)
            return builder.extract_element(part, INDEX(0))

        return types.float32(vector), generate

    return SimpleNamespace(
        load=load,
        store=store,
        spread=spread,
        spread_at=spread_at,
        multiply_add=multiply_add,
        total=total,
    )


@intrinsic
def element(typing: Any, array: Any, position: Any) -> Any:
    """``array[position]``, faster: for ``[]``, numba asks each time whether it is below zero."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, values[0])
        return builder.load(builder.gep(array.data, [values[1]]))

    return array.dtype(array, types.intp), generate


@intrinsic
def put(typing: Any, array: Any, position: Any, value: Any) -> Any:
    """``array[position] = value``, as :func:`element` is fast."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, values[0])
        builder.store(values[2], builder.gep(array.data, [values[1]]))
        return context.get_dummy_value()

    return types.void(array, types.intp, array.dtype), generate


@intrinsic
def prefetch(typing: Any, array: Any, position: Any) -> Any:
    """Ask for the memory around ``array[position]`` ahead of its use. It changes no number."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _address(context, builder, signature, values, BYTE)
        name = "llvm.prefetch.p0"
        kind = ir.FunctionType(ir.VoidType(), [place.type, INDEX, INDEX, INDEX])
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        builder.call(function, [place, INDEX(0), INDEX(3), INDEX(1)])  # read, keep, data
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@intrinsic
def address(typing: Any, array: Any, position: Any) -> Any:
    """Where ``array[position]`` lies, for functions that are passed in."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _address(context, builder, signature, values, FLOAT)

    return types.CPointer(types.float32)(array, types.intp), generate


@intrinsic
def bits_of(typing: Any, number: Any) -> Any:
    """The 32 bits of a float32 as a whole number."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], INDEX)

    return types.int32(types.float32), generate


@intrinsic
def number_of(typing: Any, bits: Any) -> Any:
    """The float32 that 32 bits stand for."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], FLOAT)

    return types.float32(types.int32), generate


def _address(context: Any, builder: Any, signature: Any, values: Any, pointee: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, values[0])
    return builder.bitcast(builder.gep(array.data, [values[1]]), pointee.as_pointer())


def _spread(builder: Any, number: Any, vector: ir.VectorType) -> Any:
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, number, INDEX(0))
    return builder.shuffle_vector(first, undefined, _lanes([0] * vector.count))


def _lanes(which: Any) -> ir.Constant:
    lanes = list(which)
    return ir.Constant(ir.VectorType(INDEX, len(lanes)), lanes)
