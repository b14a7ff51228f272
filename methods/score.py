"""Cross-entropy and a submodular contrast of the batch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from bench.data.batch import Batch
from bench.method import log_shares, register_method
from bench.models.network import Network
from bench.options import Range

from .contrastive.method import ProjectingMethod, ProjectionOptions
from .losses.score import facility_location_loss, graph_cut_loss

Form = Literal["graph_cut", "facility_location"]

_LOSSES = {"graph_cut": graph_cut_loss, "facility_location": facility_location_loss}


class ScoreOptions(ProjectionOptions):
    """Settings of submodular contrast."""

    form: Form = Field("graph_cut", description="of the contrast")
    weight: Annotated[float, Range(0.05, 2, "log")] = Field(
        0.7, ge=0, description="of the contrast; cross-entropy has weight 1"
    )


@register_method(
    "score",
    title="SCoRe",
    group="extension",
    reference="Majee et al., ICML 2024, arXiv 2310.00165",
)
class Score(ProjectingMethod):
    """Classes of a batch are to be alike within and unlike others, as sets and not pair by pair.

    Formula: ``L = CE + weight L_con`` with ``S = (1 + cos) / 2`` of projected embeddings. Graph
    cut: ``L_con = mean_i -log(1/2 sum_{same} S_ij / sum_{other} S_ij)`` over samples that have
    both. Facility location: ``L_con = 1/2 mean_j log sum_i exp([y_i != y_j] S_ij)``.

    Settings: ``form``; ``weight`` >= 0, 0.7 here; ``projection``. Cost: 1.1 to 1.5 times
    vanilla, as there are no views.

    When it helps: sums over a class hold tight what belongs together also where a batch has two
    or three samples of it. It knows nothing of class sizes beyond the batch; compare it with a
    power of the prior chosen after training. A sample that is alone of its class in the batch has
    no part in the graph cut.

    What differs: the two factors of the original, 0.7 or 0.07 by data set, are one ``weight``. Its
    1/2 inside the logarithm has no gradient. With two classes the contrast is as it is with many.
    """

    options_type = ScoreOptions
    options: ScoreOptions

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        embeddings = network.encode(batch)
        contrast = _LOSSES[self.options.form](self.project(embeddings), batch.labels)
        return self.loss(network.head(embeddings), batch.labels) + self.options.weight * contrast

    def implied_log_prior(self) -> Tensor:
        # Cross-entropy alone trains the last layer.
        return log_shares(self.context.log_counts)
