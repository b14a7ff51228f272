import pytest
from torch.nn.functional import cross_entropy

from bench.methods.losses.score import facility_location_loss, graph_cut_loss
from tests.methods.contrastive_trials import batch_of, ready


@pytest.mark.parametrize(
    ("form", "contrast"),
    [("graph_cut", graph_cut_loss), ("facility_location", facility_location_loss)],
)
@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_loss_is_cross_entropy_and_the_weighted_contrast_of_projections(form, contrast, weight):
    found = ready("score", form=form, weight=weight)
    batch, network, method = batch_of(found), found.network, found.method
    embeddings = network.encode(batch)
    expected = cross_entropy(network.head(embeddings), batch.labels)
    expected = expected + weight * contrast(method.project(embeddings), batch.labels)
    loss = method.training_step(network, batch)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
