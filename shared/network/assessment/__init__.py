"""Assessment of a finished training: baselines, the uncertainty of its accuracy, and a diagnosis of what went wrong."""
