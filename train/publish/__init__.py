"""From a run to a checkpoint: export, release, card, figures, Hub."""
