"""Pictures of lifted programs."""
