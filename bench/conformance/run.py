"""Run the checks on a method or an encoder and word what comes of them."""

from __future__ import annotations

import inspect
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any, Literal

import torch

from bench.backbone import BACKBONES
from bench.conformance.checks import CHECKS
from bench.conformance.encoder import EncoderUnderTest
from bench.conformance.encoder_checks import ENCODER_CHECKS
from bench.conformance.randomness import keep_global_random_state
from bench.conformance.subject import MethodUnderTest
from bench.conformance.trial import CPU, Case, FinishedRuns
from bench.conformance.verdicts import ConformanceError, NotApplicable
from bench.errors import BenchError, UnavailableError
from bench.method import METHODS
from bench.spec import check_options, parse_spec

Verdict = Literal["ok", "failed", "skipped"]
VERDICTS: tuple[Verdict, ...] = ("ok", "failed", "skipped")

# Encoder of the proteins beside molecules, for methods that take such pairs only.
_PROTEIN = "conjoint_triad"
# Characters of an error that are shown.
_LONGEST = 400


@dataclass(frozen=True)
class Result:
    """How one check ended; `text` is the failure, the reason, or a remark where all is well."""

    check: str
    verdict: Verdict
    text: str
    seconds: float


def subject_of(text: str, finished: FinishedRuns, device: torch.device = CPU) -> MethodUnderTest:
    """The registered method called `text`, options in brackets allowed.

    Parameters
    ----------
    text : str
        Such as ``cb`` or ``cb[beta=0.99]``.
    finished : FinishedRuns
        Shared by subjects that may depend on the same runs.
    device : torch.device
        Where networks are trained.

    Raises
    ------
    UsageError
        No such method, or options that it does not take.
    UnavailableError
        It lacks a package.
    """
    spec = parse_spec(text)
    entry = METHODS.get(spec.name)
    if reason := entry.cls.missing():
        raise UnavailableError(f"The method {spec.name!r} cannot be checked here: {reason}")
    options = check_options(entry.cls.options_type, spec, "method")
    needs_pairs = entry.cls.refusal(options, ["molecule"]) is not None
    case = Case(device=device, protein=_PROTEIN if needs_pairs else None)
    return MethodUnderTest(entry.cls, options, entry.facts, finished, case)


def encoder_of(text: str, device: torch.device = CPU) -> EncoderUnderTest:
    """The registered encoder called `text`, options in brackets allowed.

    Raises
    ------
    UsageError
        No such encoder, or options that it does not take.
    """
    spec = parse_spec(text)
    entry = BACKBONES.get(spec.name)
    options = check_options(entry.cls.options_type, spec, "backbone")
    return EncoderUnderTest(entry.cls, options, entry.facts, device)


def checks_of(
    subject: MethodUnderTest | EncoderUnderTest,
) -> Mapping[str, Callable[[Any], str | None]]:
    """What is checked of a method, or of an encoder of this kind, by name."""
    return CHECKS if isinstance(subject, MethodUnderTest) else ENCODER_CHECKS[subject.kind]


def run_checks(subject: MethodUnderTest | EncoderUnderTest) -> Iterator[Result]:
    """Every check in turn, each result as soon as it is there."""
    for name in checks_of(subject):
        yield run_check(name, subject)


def run_check(name: str, subject: MethodUnderTest | EncoderUnderTest) -> Result:
    """One check; whatever the method or encoder raises in it is its failure."""
    started = time.perf_counter()
    verdict: Verdict = "ok"
    text = ""
    try:
        with keep_global_random_state(subject.device):
            text = checks_of(subject)[name](subject) or ""
    except NotApplicable as reason:
        verdict, text = "skipped", str(reason)
    except ConformanceError as failure:
        verdict, text = "failed", str(failure)
    except Exception as error:  # what is broken must not stop the other checks
        verdict, text = "failed", f"expected no error, but got {_describe(error, subject)}"
    return Result(name, verdict, text, time.perf_counter() - started)


def _describe(error: Exception, subject: MethodUnderTest | EncoderUnderTest) -> str:
    """The error and the line of the file under test that it came from, or else the last line."""
    if isinstance(error, BenchError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    own = inspect.getsourcefile(subject.cls)
    frame = ([frame for frame in frames if frame.filename == own] or frames)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    # Some of torch's list all that it could do elsewhere.
    words = shorten(str(error), _LONGEST, placeholder=" ...")
    return f"{type(error).__name__}: {words} ({place}: {frame.line})"
