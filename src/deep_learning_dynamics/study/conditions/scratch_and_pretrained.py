"""The two conditions of the question: networks that start fresh, and where pre-training ended."""

from deep_learning_dynamics.study.conditions.condition import CONDITIONS, Condition


@CONDITIONS.register
class Scratch(Condition):
    """The reference: nothing was learnt before."""

    key, title = "scratch", "from scratch"


@CONDITIONS.register
class Pretrained(Condition):
    """All but the output layer is taken over from pre-training."""

    key, title = "pretrained", "pre-trained on {pretraining}"
    pretraining, continues = "pretrained", True
