"""Files that are never half written and never unpickled: atomic writing, safetensors, structures as JSON."""
