# The images for a registry. docs/operations/base-images.md says how to use this file; the variables are those of Compose.
#   docker buildx bake --file docker-bake.hcl --push

variable "GLASSBOX_IMAGES" { default = "localhost/glassbox" }
variable "GLASSBOX_VERSION" { default = "0.1.0" }
variable "GLASSBOX_REVISION" { default = "" }
variable "GLASSBOX_PYTHON_DIGEST" { default = "" }
variable "GLASSBOX_NGINX_DIGEST" { default = "" }
# Where the sources are, for the images' labels.
variable "SOURCE" { default = "" }
variable "PLATFORMS" { default = "linux/amd64,linux/arm64" }

group "default" {
  targets = ["api", "worker", "gateway", "certificates"]
}

target "image" {
  context   = "."
  platforms = split(",", PLATFORMS)
  args = {
    VERSION  = GLASSBOX_VERSION
    REVISION = GLASSBOX_REVISION
  }
  labels = SOURCE == "" ? {} : { "org.opencontainers.image.source" = SOURCE }
}

target "api" {
  inherits   = ["image"]
  dockerfile = "services/api/Dockerfile"
  args       = { PYTHON_DIGEST = GLASSBOX_PYTHON_DIGEST }
  tags       = ["${GLASSBOX_IMAGES}/glassbox-api:${GLASSBOX_VERSION}"]
}

target "worker" {
  inherits   = ["image"]
  dockerfile = "services/worker/Dockerfile"
  args       = { PYTHON_DIGEST = GLASSBOX_PYTHON_DIGEST }
  tags       = ["${GLASSBOX_IMAGES}/glassbox-worker:${GLASSBOX_VERSION}"]
}

target "gateway" {
  inherits   = ["image"]
  dockerfile = "services/gateway/Dockerfile"
  args       = { NGINX_DIGEST = GLASSBOX_NGINX_DIGEST }
  tags       = ["${GLASSBOX_IMAGES}/glassbox-gateway:${GLASSBOX_VERSION}"]
}

target "certificates" {
  inherits   = ["image"]
  dockerfile = "services/certificates/Dockerfile"
  args       = { PYTHON_DIGEST = GLASSBOX_PYTHON_DIGEST }
  tags       = ["${GLASSBOX_IMAGES}/glassbox-certificates:${GLASSBOX_VERSION}"]
}
