"""The work of small programs that the TPU's own compiler compiles."""

import numpy as np
import pytest

pytest.importorskip("jax", reason="compiling for a TPU needs jax: pip install t2tlite[tpu]")
pytest.importorskip("libtpu", reason="compiling for a TPU needs libtpu: pip install t2tlite[tpu]")

import jax
from jax import numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from t2tlite.tpu_check import topology
from t2tlite.tpu_check.hlo import Collective, Module, Product


@pytest.fixture(scope="module")
def compile_module():
    """A function that compiles another for 4 cores, which divide the rows of its 2nd argument."""
    with pytest.MonkeyPatch.context() as patch:
        # What set_variables sets would change the backend of other tests.
        variables = ("KERAS_BACKEND", "JAX_PLATFORMS", "TPU_SKIP_MDS_QUERY")
        for name in (*variables, "ALLOW_MULTIPLE_LIBTPU_LOAD"):
            patch.setenv(name, "")
        topology.set_variables()
        jax.config.update("jax_platforms", "cpu")
        mesh = Mesh(np.array(topology.describe("v5e:2x2").devices), ("batch",))

        def compile_module(function, weights, rows, out=None):
            weights, rows = (
                jax.ShapeDtypeStruct(shape, "float32", sharding=NamedSharding(mesh, spec))
                for shape, spec in ((weights, PartitionSpec()), (rows, PartitionSpec("batch")))
            )
            out = None if out is None else NamedSharding(mesh, out)
            compiled = jax.jit(function, out_shardings=out).lower(weights, rows).compile()
            (module,) = compiled.runtime_executable().hlo_modules()
            return Module(module.as_serialized_hlo_module_proto())

        yield compile_module


def gradient_steps(weights, rows):
    def step(_, weights):
        with jax.named_scope("encoder/layer_1/query"):
            return weights - rows.T @ jnp.tanh(rows @ weights)

    return jax.lax.fori_loop(0, 7, step, weights)


def test_a_loop_counts_as_often_as_it_runs(compile_module):
    module = compile_module(gradient_steps, (128, 384), (256, 128))
    layer = "encoder/layer_1/query"
    # A core has 64 of 256 rows.
    assert sorted(module.products, key=lambda product: product.m) == [
        Product(layer, 64, 128, 384, 1, 7),
        Product(layer, 128, 64, 384, 1, 7),
    ]
    assert module.matrix_flops == 2 * 2 * 64 * 128 * 384 * 7
    assert module.collectives == [Collective("all-reduce", 128 * 384 * 4, 7)]
    assert not module.has_unknown_loop


def test_other_operations(compile_module):
    module = compile_module(lambda weights, rows: jnp.tanh(rows), (1, 1), (256, 128))
    assert (module.products, module.collectives) == ([], [])
    assert module.other_operations == 64 * 128


def test_a_loop_whose_length_depends_on_data(compile_module):
    def double(weights, rows):
        return jax.lax.while_loop(lambda x: jnp.sum(x) < 9, lambda x: x @ weights, rows)

    module = compile_module(double, (128, 128), (256, 128))
    assert module.has_unknown_loop
    assert [product.times for product in module.products] == [1]


def test_attention_is_a_product_for_each_row_and_head(compile_module):
    def attend(_, queries):
        return jnp.einsum("bhqd,bhkd->bhqk", queries, queries)

    module = compile_module(attend, (1, 1), (32, 4, 256, 32))
    (product,) = module.products
    assert (product.m, product.k, product.n, product.copies) == (256, 32, 256, 8 * 4)


def test_an_all_gather_counts_once_with_its_result(compile_module):
    module = compile_module(lambda weights, rows: rows * 2, (1, 1), (256, 128), out=PartitionSpec())
    assert module.collectives == [Collective("all-gather", 256 * 128 * 4, 1)]
