"""What the API and the workers both run: settings, jobs, the volume, data sets, models, images, the network."""
