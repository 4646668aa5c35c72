"""Code that the API and the workers share: settings, jobs, the volume, data sets, models, images, the network."""
