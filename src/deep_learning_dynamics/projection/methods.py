"""The methods of ``project.methods``, each as a scikit-learn pipeline behind the isometry."""

from typing import TYPE_CHECKING

from deep_learning_dynamics import seeds
from deep_learning_dynamics.params import Method, Project

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# Behind 128 code units there is little left to learn, so one short training is enough.
CODE = {"iterations": 20, "restarts": 1}


def make(method: Method, settings: Project, seed: int) -> "Pipeline":
    """The unfitted pipeline of a method, with random streams of its own."""
    from sklearn.pipeline import make_pipeline

    from deep_learning_dynamics.projection.isometry import Isometry

    steps = _projectors(method, settings)
    for step in steps:
        if "random_state" in step.get_params():
            name = type(step).__name__
            step.set_params(random_state=seeds.integer(seed, "projection", method, name))
    return make_pipeline(Isometry(), *steps)


def _projectors(method: Method, settings: Project) -> list:
    # Imported where used: torch, umap and openTSNE each cost seconds that others need not wait for.
    from deep_learning_dynamics.projection.autoencoder import Autoencoder
    from deep_learning_dynamics.projection.som import SelfOrganisingMap
    from deep_learning_dynamics.projection.tsne import TSNE
    from deep_learning_dynamics.projection.umap import UMAP

    match method:
        case "pca":
            from sklearn.decomposition import PCA

            return [PCA(2, whiten=settings.pca.whiten, svd_solver="full")]
        case "som":
            return [SelfOrganisingMap(**settings.som.model_dump())]
        case "autoencoder":
            return [Autoencoder(2, **settings.autoencoder.model_dump())]
        case "autoencoder_som":
            values = settings.autoencoder_som.model_dump()
            return [Autoencoder(values.pop("code_units"), **CODE), SelfOrganisingMap(**values)]
        case "autoencoder_tsne":
            values = settings.autoencoder_tsne.model_dump()
            return [Autoencoder(values.pop("code_units"), **CODE), TSNE(**values)]
        case "umap":
            return [UMAP(**settings.umap.model_dump())]
