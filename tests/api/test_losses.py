"""The losses under one name are those of the methods, all of them."""

import importlib
import inspect
import pkgutil

import bench.losses
import bench.methods.losses


def test_every_loss_of_the_methods_is_there():
    found = {}
    for module in pkgutil.iter_modules(bench.methods.losses.__path__):
        loaded = importlib.import_module(f"bench.methods.losses.{module.name}")
        found |= {
            name: value
            for name, value in vars(loaded).items()
            if inspect.isfunction(value)
            and value.__module__ == loaded.__name__
            and (name.endswith("_loss") or name in bench.losses.__all__)
        }
    assert set(bench.losses.__all__) == set(found)
    assert all(getattr(bench.losses, name) is value for name, value in found.items())


def test_each_says_its_shapes():
    for name in bench.losses.__all__:
        assert "shape" in inspect.getdoc(getattr(bench.losses, name)) or name in _SHORT


# Their summary line has the shapes in brackets.
_SHORT = {"amplified_probabilities", "log_prior", "mix", "cosine_similarities"}
