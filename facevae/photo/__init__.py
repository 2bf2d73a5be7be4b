"""Photos: files, colours, face alignment, compositing of the edited crop."""
