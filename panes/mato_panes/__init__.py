"""What a person sees: the workspace as a Textual app."""
