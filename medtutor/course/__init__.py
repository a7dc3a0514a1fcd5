"""The maintainer's side of the course: build, validate, lint, measure. Chapters never import it."""
