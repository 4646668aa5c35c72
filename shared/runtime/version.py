"""The version of Glassbox."""

VERSION = "0.1.0"
