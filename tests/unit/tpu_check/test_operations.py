"""Reading HLO: loops, products, exchanges, traffic."""

import pytest

from t2tlite.tpu_check import operations as operations
from t2tlite.tpu_check.hlo import Array, Module, arrays

LOOP = """HloModule step

%sum (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %add.1 = f32[] add(%a, %b)
}

%sliced (p.0: f32[1024,128], p.1: s32[]) -> f32[8,128] {
  %p.0 = f32[1024,128]{1,0} parameter(0)
  %p.1 = s32[] parameter(1)
  %zero = s32[] constant(0)
  ROOT %part = f32[8,128]{1,0} dynamic-slice(%p.0, %p.1, %zero), dynamic_slice_sizes={8,128}
}

%body (state: (s32[], f32[1024,128], f32[8,8])) -> (s32[], f32[1024,128], f32[8,8]) {
  %state = (s32[], f32[1024,128]{1,0}, f32[8,8]{1,0}) parameter(0)
  %i = s32[] get-tuple-element(%state), index=0
  %x = f32[1024,128]{1,0} get-tuple-element(%state), index=1
  %one = s32[] constant(1)
  %next = s32[]{:T(128)S(2)} add(%i, %one)
  %rows = f32[8,128]{1,0} fusion(%x, %i), kind=kLoop, calls=%sliced
  %product = f32[8,8]{1,0:T(8,128)S(1)} dot(%rows, %rows), lhs_contracting_dims={1}, rhs_contracting_dims={1}, metadata={op_name="jit(step)/transpose(jvp(encoder))/layer_1/query/dot_general"}
  %all = f32[8,8]{1,0:T(8,128)S(1)} all-reduce(%product), channel_id=1, to_apply=%sum
  ROOT %new = (s32[], f32[1024,128]{1,0}, f32[8,8]{1,0}) tuple(%next, %x, %all)
}

%condition (state.1: (s32[], f32[1024,128], f32[8,8])) -> pred[] {
  %state.1 = (s32[], f32[1024,128]{1,0}, f32[8,8]{1,0}) parameter(0)
  %i.1 = s32[] get-tuple-element(%state.1), index=0
  %end = s32[] constant(7)
  ROOT %more = pred[] compare(%i.1, %end), direction=LT
}

ENTRY %main (x.1: f32[1024,128]) -> f32[16,128] {
  %x.1 = f32[1024,128]{1,0} parameter(0)
  %start = s32[] constant(0)
  %empty = f32[8,8]{1,0} constant({...})
  %first = (s32[], f32[1024,128]{1,0}, f32[8,8]{1,0}) tuple(%start, %x.1, %empty)
  %loop = (s32[], f32[1024,128]{1,0}, f32[8,8]{1,0}) while(%first), condition=%condition, body=%body
  %mine = bf16[8,128]{1,0:T(8,128)(2,1)S(1)} convert(%x.1)
  %begun = (bf16[8,128]{1,0}, bf16[16,128]{1,0}) all-gather-start(%mine), channel_id=2, dimensions={0}
  ROOT %gathered = bf16[16,128]{1,0} all-gather-done(%begun), channel_id=2
}
"""  # noqa: E501


def convolution(left, right, result, rest):
    text = (
        "HloModule one\n\n"
        f"ENTRY %main (a: f32[1], b: f32[1]) -> f32[1] {{\n  %a = {left} parameter(0)\n"
        f"  %b = {right} parameter(1)\n  ROOT %c = {result} convolution(%a, %b), {rest}\n}}\n"
    )
    (found,) = operations.products(Module(text))
    return found.m, found.k, found.n, found.copies


def test_a_type():
    assert arrays("(f32[2,3]{1,0:T(8,128)S(1)}, bf16[4]{0}, pred[], s32[<=5])") == (
        Array("f32", (2, 3), in_hbm=False),
        Array("bf16", (4,)),
        Array("pred", ()),
        Array("s32", (5,)),
    )
    assert [one.bytes for one in arrays("f32[2,3] bf16[4] pred[7] f8e4m3fn[3] s4[8]")] == [
        24,
        8,
        7,
        3,
        4,
    ]


def test_products_count_as_often_as_their_loop_runs():
    module = Module(LOOP)
    (found,) = operations.products(module)
    assert (found.m, found.k, found.n, found.copies, found.times) == (8, 128, 8, 1, 7)
    assert found.flops == 2 * 8 * 128 * 8 * 7
    assert found.layer == "encoder/layer_1/query"
    assert not module.endless


def test_a_loop_whose_end_is_not_known():
    module = Module(LOOP.replace("compare(%i.1, %end), direction=LT", "custom-call(%i.1, %end)"))
    assert module.endless
    assert operations.products(module)[0].times == 1


def test_the_compilers_own_count_of_a_loop():
    known = 'body=%body, backend_config={"known_trip_count":{"n":"5"}}'
    module = Module(LOOP.replace("body=%body", known))
    assert operations.products(module)[0].times == 5


def test_an_asynchronous_exchange_counts_once():
    assert operations.collectives(Module(LOOP)) == [
        operations.Collective("all-reduce", 8 * 8 * 4, 7),
        operations.Collective("all-gather", 16 * 128 * 2, 1),
    ]


def test_single_operations():
    # A conversion in the entry; the counter's step and comparison stand in the loop.
    assert operations.single_operations(Module(LOOP)) == 8 * 128 + 7


def test_traffic_counts_slices_and_leaves_out_what_stays_in_the_core():
    module = Module(LOOP)
    loop = 7 * (2 * 8 * 128 * 4 + 4 + 2 * 8 * 128 * 4 + 4)
    entry = 1024 * 128 * 4 + 16 * 128 * 2
    assert operations.hbm_bytes(module) == pytest.approx(loop + entry, rel=0.001)


def test_a_convolution_that_is_a_product():
    found = convolution(
        "bf16[16,256,128]", "bf16[128,512,1]", "bf16[16,256,512]",
        "window={size=1}, dim_labels=0bf_io0->0bf",
    )  # fmt: skip
    assert found == (16 * 256, 128, 512, 1)


def test_a_convolution_over_rows_is_the_gradient_of_weights():
    found = convolution(
        "bf16[16,256,128]", "bf16[16,256,512]", "bf16[1,128,512]",
        "window={size=16}, dim_labels=0fb_0io->0bf",
    )  # fmt: skip
    assert found == (128, 16 * 256, 512, 1)


def test_a_convolution_with_gaps_is_many_products():
    found = convolution(
        "bf16[16,4,256,32]", "bf16[16,4,32,256]", "f32[16,4,256,256]",
        "window={size=16x4 stride=15x3 lhs_dilate=16x4}, dim_labels=01bf_01io->01bf",
    )  # fmt: skip
    assert found == (256, 32, 256, 64)
