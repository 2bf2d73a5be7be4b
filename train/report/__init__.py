"""The four student reports, reproduced, and the ablation."""
