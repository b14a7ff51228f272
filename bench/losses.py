"""The losses of the methods as plain functions, for a model of one's own.

Each takes logits (B, K), or features (B, D) or (2B, D), and labels (B,), and returns a scalar that
can be differentiated; what depends on class counts is made once by a function beside it.

Examples
--------
A linear classifier under balanced softmax; prediction uses the logits as they are:

>>> import torch
>>> from bench.losses import balanced_softmax_loss, log_prior
>>> _ = torch.manual_seed(0)
>>> labels = torch.tensor([0] * 40 + [1] * 4)
>>> inputs = torch.nn.functional.one_hot(labels, 8).float() + 0.1 * torch.randn(44, 8)
>>> model, priors = torch.nn.Linear(8, 2), log_prior(torch.bincount(labels))
>>> optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
>>> for _ in range(30):
...     loss = balanced_softmax_loss(model(inputs), labels, priors)
...     optimiser.zero_grad()
...     loss.backward()
...     optimiser.step()
>>> (model(inputs).argmax(dim=1) == labels).float().mean().item()
1.0
"""

from bench.methods.losses.anyloss import amplified_probabilities, metric_loss
from bench.methods.losses.asl import asymmetric_sigmoid_loss, asymmetric_softmax_loss
from bench.methods.losses.asymmetric import asymmetric_focal_contrastive_loss
from bench.methods.losses.balanced_softmax import balanced_softmax_loss, log_prior
from bench.methods.losses.bcl import balanced_contrastive_loss
from bench.methods.losses.cdt import cdt_loss, class_temperatures
from bench.methods.losses.class_weights import effective_number_weights, inverse_frequency_weights
from bench.methods.losses.cross_entropy import weighted_cross_entropy
from bench.methods.losses.distillation import distillation_loss, virtual_examples
from bench.methods.losses.encouraging import encouraging_loss
from bench.methods.losses.focal import softmax_focal_loss
from bench.methods.losses.gml import class_contrastive_loss, class_log_means
from bench.methods.losses.influence_balanced import influence_balanced_loss
from bench.methods.losses.ldam import cosine_similarities, ldam_loss, ldam_margins
from bench.methods.losses.mixup import draw_mixing, mix, mixup_loss
from bench.methods.losses.remix import remix_label_shares
from bench.methods.losses.rf_dlc import expected_utilities, rf_dlc_loss
from bench.methods.losses.ride import diversity_temperatures, ride_loss
from bench.methods.losses.score import facility_location_loss, graph_cut_loss
from bench.methods.losses.spcl import prototype_contrastive_loss
from bench.methods.losses.subcluster import subcluster_loss
from bench.methods.losses.supcon import supcon_loss
from bench.methods.losses.tlc import tlc_loss, trusted_logits
from bench.methods.losses.vs import vs_loss

__all__ = [
    "amplified_probabilities",
    "asymmetric_focal_contrastive_loss",
    "asymmetric_sigmoid_loss",
    "asymmetric_softmax_loss",
    "balanced_contrastive_loss",
    "balanced_softmax_loss",
    "cdt_loss",
    "class_contrastive_loss",
    "class_log_means",
    "class_temperatures",
    "cosine_similarities",
    "distillation_loss",
    "diversity_temperatures",
    "draw_mixing",
    "effective_number_weights",
    "encouraging_loss",
    "expected_utilities",
    "facility_location_loss",
    "graph_cut_loss",
    "influence_balanced_loss",
    "inverse_frequency_weights",
    "ldam_loss",
    "ldam_margins",
    "log_prior",
    "metric_loss",
    "mix",
    "mixup_loss",
    "prototype_contrastive_loss",
    "remix_label_shares",
    "rf_dlc_loss",
    "ride_loss",
    "softmax_focal_loss",
    "subcluster_loss",
    "supcon_loss",
    "tlc_loss",
    "trusted_logits",
    "virtual_examples",
    "vs_loss",
    "weighted_cross_entropy",
]
