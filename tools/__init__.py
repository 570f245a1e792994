"""What builds the site and the release; not part of the package."""
