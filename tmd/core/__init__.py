"""Policy without mechanism: values in, values out. Imports no `os`, `time`, `socket`, `threading`."""
