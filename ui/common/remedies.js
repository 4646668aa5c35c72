/** What to do about an error, by its code. Written from docs/operations/failure-modes.md by `make remedies`. */

/** @type {Record<string, string>} */
export const REMEDIES = {
  alias_not_moved: "move the alias, if the new version is to have it",
  body_too_slow: "send the request again",
  dataset_unreadable: "upgrade Glassbox, upload the data set again, or delete it",
  evaluation_damaged: "restore the file from a backup, or evaluate the version again",
  image_too_costly: "save the image again; for a true image raise the setting that the detail names",
  image_too_large: "raise GLASSBOX_CLASSIFIER_MEMORY_BYTES, then retry",
  memory_busy: "send fewer images in a request, or submit a batch job",
  model_too_large: "raise GLASSBOX_ONLINE_MODEL_BYTES, and GLASSBOX_API_MEMORY with it",
  out_of_memory: "request less, as the error says, or raise GLASSBOX_TRAINER_MEMORY_BYTES",
  poison: "read the worker's log, remove the cause, POST /v1/jobs/{id}/retry",
  record_lost: "restore the file jobs/<id>/end.json from a backup, or delete the job",
  record_unreadable: "restore the file jobs/<id>/end.json from a backup, or delete the job",
  redis_full: "raise GLASSBOX_REDIS_MAXMEMORY and GLASSBOX_REDIS_MEMORY in .env, then docker compose up --wait redis; or delete ended jobs. Each job that ends or is cancelled frees memory, too. Waiting jobs start within 10 s",
  sink_not_found: "correct the place, and POST /v1/jobs/{id}/retry, which classifies nothing again ([sinks.md](../data/sinks.md))",
  sink_refused: "correct the place, and POST /v1/jobs/{id}/retry, which classifies nothing again ([sinks.md](../data/sinks.md))",
  sink_unavailable: "correct the place, and POST /v1/jobs/{id}/retry, which classifies nothing again ([sinks.md](../data/sinks.md))",
  source_changed: "bring the file back and POST /v1/jobs/{id}/retry, or submit the batch again; mount the folder for every classifier ([by-reference.md](../data/by-reference.md))",
  source_not_found: "bring the file back and POST /v1/jobs/{id}/retry, or submit the batch again; mount the folder for every classifier ([by-reference.md](../data/by-reference.md))",
  source_unavailable: "send the request again ([by-reference.md](../data/by-reference.md#files-of-other-servers))",
  specification_unknown: "upgrade again, then POST /v1/jobs/{id}/retry",
  too_many_operations: "submit a batch job",
  training_too_large: "request less, as the error says, or raise GLASSBOX_TRAINER_MEMORY_BYTES",
  version_damaged: "restore the file from a backup",
  version_unreadable: "upgrade Glassbox, use another version, or restore the file from a backup",
};
