"""Tools, resources and prompts of Model Context Protocol servers, for agents of Mato's own."""
