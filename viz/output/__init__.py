"""Pictures as SVG, PNG and PDF, as files, as notebook output, as data, as text."""
