"""The remedies, by the kind of job, if a job exceeds its memory limit."""

from __future__ import annotations

from shared.jobs import Kind

TRAINER = (
    "raise the trainer's limits (GLASSBOX_TRAINER_MEMORY under Compose, GLASSBOX_TRAINER_MEMORY_BYTES for each of its"
    " processes)"
)
CLASSIFIER = (
    "raise the classifier's limits (GLASSBOX_CLASSIFIER_MEMORY under Compose, GLASSBOX_CLASSIFIER_MEMORY_BYTES for each"
    " of its processes)"
)
REMEDIES = {
    Kind.TRAINING: (
        f"{TRAINER}, or train on a smaller data set, with smaller layers or a smaller batch_size; then retry the job"
    ),
    Kind.REPRODUCTION: f"{TRAINER} to what the original training had; then retry the job",
    Kind.BATCH: (
        f"{CLASSIFIER}, or send smaller images, or run fewer processes (GLASSBOX_WORKER_PROCESSES); then retry the job"
    ),
    Kind.EVALUATION: f"{CLASSIFIER}, or run fewer processes (GLASSBOX_WORKER_PROCESSES); then retry the job",
}
