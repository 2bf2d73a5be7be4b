"""Networks: they compute, and judge nothing."""
