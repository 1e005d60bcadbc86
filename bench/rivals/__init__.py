"""What callpoint is measured against, in an environment of its own under the cache folder."""
