"""Refuse a params.yaml with a mistake before anything is computed."""

from deep_learning_dynamics import stage

if __name__ == "__main__":
    stage.run(None, lambda params: None)  # loading the parameters is the check
