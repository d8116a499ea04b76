"""Labels, training, the threshold's guarantee, evaluation and promotion of the approval score."""
