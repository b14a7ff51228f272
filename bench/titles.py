"""What tables and pictures call a method, from its label and the names registered here."""

from __future__ import annotations

from bench.backbone import BACKBONES
from bench.errors import UsageError
from bench.method import METHODS
from bench.spec import Spec, check_options, parse_spec, split_list, without_encoder

# How the title of the control ends, which is called by its encoder.
_USUAL = " GCN"


def method_title(label: str, encoder: str = "") -> str:
    """Row heading of a registered method: its title, then its options.

    A title that names the usual encoder names the method's own instead; another method says its
    encoder where its label does. Methods that an option names are called by their titles.

    Parameters
    ----------
    label : str
        The method's name and options, as typed.
    encoder : str, optional
        Label of the encoder of molecules that its network has where `label` names none.

    Examples
    --------
    >>> method_title("vanilla", "gin")
    'Vanilla GIN'
    >>> method_title("cb[backbone=gin,beta=0.9]", "gin")
    'CB Loss [beta=0.9], GIN'
    >>> method_title("posthoc[method=imbsam]")
    'Prior tuned [ImbSAM]'
    """
    spec, named = without_encoder(parse_spec(label))
    encoder = str(named or encoder)
    title = METHODS.get(spec.name).facts["title"]
    options = _options_of(spec, encoder)
    of_encoder = _encoder_title(encoder)
    base = title.removesuffix(_USUAL)
    if of_encoder is not None and base != title:
        return f"{base} {of_encoder}{options}"
    return f"{title}{options}" + (f", {of_encoder or encoder}" if named is not None else "")


def _options_of(spec: Spec, encoder: str) -> str:
    """The options in brackets, those that name methods first; nothing without any."""
    named, others = [], {}
    needed = _needed(spec)
    for key, value in spec.options.items():
        methods = split_list(value, "+") if isinstance(value, str) else []
        if methods and needed.issuperset(methods):
            named += [method_title(method, encoder) for method in methods]
        else:
            others[key] = value
    of_others = Spec("", others).label[1:-1]
    inside = ", ".join(filter(None, [" · ".join(named), of_others]))
    return f" [{inside}]" if inside else ""


def _needed(spec: Spec) -> set[str]:
    """The methods that one with these options depends on, as its options name them."""
    if not spec.options:
        return set()
    cls = METHODS.get(spec.name).cls
    try:
        needed = cls.requires(check_options(cls.options_type, spec, "method")).values()
    except UsageError:
        return set()
    return {label for label in needed if parse_spec(label).name in METHODS}


def _encoder_title(label: str) -> str | None:
    """What tables call an encoder; None for one that is not registered here."""
    name, bracket, options = label.partition("[")
    if name not in BACKBONES:
        return None
    title: str = BACKBONES.get(name).facts["title"]
    return f"{title} {bracket}{options}" if bracket else title
