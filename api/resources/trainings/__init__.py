"""The routes of trainings: submission, estimates, weights of running trainings."""
