"""The RPC contract: states, faults, names, the table of methods. No input or output, no policy."""
