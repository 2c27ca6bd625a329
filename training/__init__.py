"""How every committed model was made: data, synthesis, training, export and evaluation."""
