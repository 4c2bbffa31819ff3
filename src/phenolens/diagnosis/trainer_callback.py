"""A callback of Hugging Face's Trainer that scores a model while it trains."""

from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from phenolens.diagnosis.while_training import TrainingDiagnosis


class TrainerDiagnosis(TrainerCallback):
    """Score a model of yours while Hugging Face's Trainer trains it, at the start and every so many steps.

    Parameters
    ----------
    diagnosis
        What is scored; its function `encoder` gets the model of the Trainer.
    """

    def __init__(self, diagnosis: TrainingDiagnosis) -> None:
        self.diagnosis = diagnosis

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **others: Any
    ) -> None:
        """Score what training starts from."""
        self._check(state, model)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **others: Any
    ) -> None:
        """Score the model if it is due."""
        self._check(state, model)

    def _check(self, state: TrainerState, model: Any) -> None:
        if state.is_world_process_zero:
            self.diagnosis.check(state.global_step, model)
