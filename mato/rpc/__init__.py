"""RPC: messages and framing."""
